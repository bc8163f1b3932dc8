import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createLog } from '../observability/log.ts';
import { adminToken, expectFault, type HttpKit, openHttpKit } from './http-kit.ts';

describe('a server that is set up otherwise, and fails', () => {
  let strict: HttpKit;
  const log = createLog('silent');
  const logged = vi.spyOn(log, 'error');
  let confirming: ((fail: (error: Error) => void) => void) | undefined;
  const never = () => new Promise<never>((_, reject) => confirming?.(reject));
  const bookings = { confirm: never, find: never, refund: never };
  beforeAll(async () => {
    const readiness = () => Promise.reject(new Error('no idea'));
    const env = { ALLOWED_ORIGINS: 'https://shop.example, https://till.example', ADMIN_TOKEN: '' };
    strict = await openHttpKit({ env, deps: { bookings, readiness, log } });
  });
  afterAll(() => strict.close());

  const confirm = JSON.stringify({
    show_id: 'x',
    seat_ids: ['A1'],
    user_id: randomUUID(),
    request_id: randomUUID(),
  });

  it('lets no foreign origin in', async () => {
    const from = (origin: string) => strict.call('/shows', { headers: { origin } });
    expect((await from('https://till.example')).status).toBe(200);
    expect((await from(`http://127.0.0.1:${strict.port}`)).status).toBe(200);
    expect((await strict.call('/shows')).status).toBe(200);
    for (const origin of ['https://shop.example.evil', 'http://shop.example', 'null'])
      expectFault(await from(origin), 'forbidden');
  });

  it('has no admin without a token', async () => {
    for (const authorization of ['', 'Bearer', 'Bearer ', 'Bearer undefined', `Bearer ${adminToken}`]) {
      const headers = { authorization };
      expectFault(await strict.call(`/bookings/${randomUUID()}`, { headers }), 'forbidden');
      expectFault(await strict.call('/shows', { body: {}, headers }), 'forbidden');
    }
  });

  it('answers 500 with a reference and nothing of the error, and lives on', async () => {
    confirming = (fail) => fail(new Error('a secret of the inside'));
    const reply = await strict.call('/booking/confirm', { body: confirm });
    expectFault(reply, 'internal', { reference: expect.stringMatching(/^[\w-]{12}$/) });
    expect(reply.text).not.toContain('secret');
    expect((await strict.call('/livez')).status).toBe(200);
  });

  it('answers nobody when its client left meanwhile', async () => {
    const begun = new Promise<(error: Error) => void>((resolve) => {
      confirming = resolve;
    });
    const connection = await strict.raw();
    connection.write(
      `POST /booking/confirm HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: ${confirm.length}\r\n\r\n${confirm}`,
    );
    const fail = await begun;
    connection.reset();
    await connection.until('what never comes');
    expect((await strict.call('/livez')).status).toBe(200);
    logged.mockClear();
    fail(new Error('too late for anybody to see'));
    expect((await strict.call('/livez')).status).toBe(200);
    expect(logged.mock.calls.map(([, message]) => message)).toEqual(['a request failed']);
  });

  it('drains: tells when no request is at work any more, and asks for connections to be closed', async () => {
    const begun = new Promise<(error: Error) => void>((resolve) => {
      confirming = resolve;
    });
    const leaving = await openHttpKit({ deps: { bookings, log } });
    const reply = leaving.call('/booking/confirm', { body: confirm });
    const fail = await begun;
    const start = performance.now();
    await leaving.http.drain(50);
    expect(performance.now() - start).toBeGreaterThan(45);
    const drained = leaving.http.drain(10_000);
    fail(new Error('enough'));
    await drained;
    expect((await reply).status).toBe(500);
    expect((await reply).headers.get('connection')).toBe('close');
    expect(performance.now() - start).toBeLessThan(10_000);
    await leaving.close();
  });

  it('is not ready when readiness cannot be told', async () => {
    const reply = await strict.call('/readyz');
    expect(reply.status).toBe(503);
    expect(reply.body).toEqual({ ready: false, redis: false, postgres: false, streamLagMs: 0 });
    expect((await strict.call('/metrics')).text).toContain('rowlock_store_up{store="redis"} 0');
  });
});
