import { randomUUID } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import type { PostgresService } from '../dev/postgres.ts';
import { createLog } from '../observability/log.ts';
import { migrate } from '../stores/migrate.ts';
import { startOwnPostgres } from '../test/harness/services.ts';
import { expectFault, type HttpKit, openHttpKit } from './http-kit.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function open(postgres?: PostgresService): Promise<HttpKit> {
  const kit = await openHttpKit(postgres ? { databaseUrl: postgres.url } : {});
  closers.push(() => kit.close());
  return kit;
}

const wish = (show_id: string) => ({ show_id, seat_ids: ['A1'], user_id: randomUUID() });

describe('without Redis', () => {
  it('refuses what would have to be true there, and says when to come back', async () => {
    const kit = await open();
    const [show, other] = [await kit.newShow(), await kit.newShow()];
    const body = wish(show);
    await kit.call('/seat-lock', { body });
    kit.redis.signal('SIGKILL');
    for (const path of ['/seat-lock', '/seat-unlock']) {
      const reply = await kit.call(path, { body });
      expectFault(reply, 'unavailable', { retryInMs: expect.any(Number) });
      expect(reply.headers.get('retry-after')).toMatch(/^[12]$/);
    }
    const confirm = { ...body, request_id: randomUUID() };
    expectFault(await kit.call('/booking/confirm', { body: confirm }), 'unavailable');
    expectFault(await kit.call(`/shows/${other}/seats`), 'unavailable');
    expect((await kit.call(`/shows/${show}`)).status).toBe(200);
    const { text } = await kit.call('/metrics');
    expect(text).toContain('rowlock_holds_total{via="http",outcome="unavailable"} 1');
    expect(text).toMatch(/^rowlock_redis_calls_failed_total\{step="hold"\} 1/m);
    expect(text).toMatch(/^rowlock_redis_calls_failed_total\{step="guard"\} 1/m);
  });

  it('answers within a deadline when Redis is frozen', async () => {
    const kit = await open();
    const show = await kit.newShow();
    kit.redis.signal('SIGSTOP');
    try {
      expectFault(await kit.call('/seat-lock', { body: wish(show) }), 'unavailable');
    } finally {
      kit.redis.signal('SIGCONT');
    }
  });
});

describe('without Postgres', () => {
  it('holds on, and books nothing', async () => {
    const postgres = await startOwnPostgres();
    closers.push(() => postgres.stop());
    await migrate({ url: postgres.url, log: createLog('silent') });
    const kit = await open(postgres);
    const show = await kit.newShow();
    const body = wish(show);
    expect((await kit.call('/seat-lock', { body })).status).toBe(200);
    await postgres.stop();
    expect((await kit.call('/seat-lock', { body })).status).toBe(200);
    const confirm = await kit.call('/booking/confirm', { body: { ...body, request_id: randomUUID() } });
    expect(confirm.status).toBe(503);
    expectFault(await kit.call('/seat-lock', { body: wish('another-show') }), 'unavailable');
    expectFault(await kit.call('/shows'), 'unavailable');
    expectFault(await kit.call('/shows/another-show'), 'unavailable');
    expectFault(await kit.call(`/bookings/${randomUUID()}`, { admin: true }), 'unavailable');
    const newShow = { id: 'new', name: 'New', seats: ['A1'] };
    expectFault(await kit.call('/shows', { body: newShow, admin: true }), 'unavailable');
    const { text } = await kit.call('/metrics');
    for (const pool of ['reads', 'confirms', 'create']) {
      expect(text).toMatch(
        new RegExp(`^rowlock_postgres_calls_failed_total{pool="${pool}",reason="un.*"} [1-9]`, 'm'),
      );
    }
  });
});
