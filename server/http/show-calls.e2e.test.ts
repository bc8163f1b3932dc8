import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { errorBody, readyzResponse, showResponse, showSummary, showsResponse } from '../../protocol/index.ts';
import { PostgresConnection } from '../stores/postgres-connection.ts';
import { expectFault, type HttpKit, openHttpKit } from './http-kit.ts';

let kit: HttpKit;
beforeAll(async () => {
  kit = await openHttpKit();
});
afterAll(() => kit.close());

describe('the catalogue', () => {
  it('makes a show once, for the admin alone', async () => {
    const id = `show-${randomUUID()}`;
    const body = {
      id,
      name: 'Ein Stück — 演劇',
      seats: ['B1', { id: 'B2', row: 'B', number: 2, x: 1.5, y: -2 }],
    };
    expectFault(await kit.call('/shows', { body }), 'forbidden');
    expectFault(await kit.call('/shows', { body, headers: { authorization: 'Bearer wrong' } }), 'forbidden');
    const made = await kit.call('/shows', { body, admin: true });
    expect(made.status).toBe(201);
    expect(made.headers.get('location')).toBe(`/shows/${id}`);
    expect(showSummary.parse(made.body)).toEqual({ id, name: body.name, seats: 2 });
    expectFault(await kit.call('/shows', { body, admin: true }), 'already_exists');

    const read = await kit.call(`/shows/${id}`);
    expect(showResponse.parse(read.body)).toEqual({
      id,
      name: body.name,
      seats: [{ id: 'B1' }, body.seats[1]],
    });
    const list = showsResponse.parse((await kit.call('/shows')).body);
    expect(list.shows).toContainEqual({ id, name: body.name, seats: 2 });
  });

  it('takes bodies up to its own limit, and shows large ones whole', async () => {
    const id = `show-${randomUUID()}`;
    const seats = Array.from({ length: 30_000 }, (_, i) => ({ id: `S${i}`, section: 'x'.repeat(40) }));
    expect((await kit.call('/shows', { body: { id, name: 'Large', seats }, admin: true })).status).toBe(201);
    const read = await kit.call(`/shows/${id}`);
    expect(read.text.length).toBeGreaterThan(2_000_000);
    expect(showResponse.parse(read.body).seats).toEqual(seats);
    expect(read.headers.get('content-length')).toBe(String(Buffer.byteLength(read.text)));
  });

  it('makes a small show while a large one is being written', async () => {
    const none = { statementTimeoutMs: 0, lockTimeoutMs: 0 };
    const stranger = await PostgresConnection.open({ url: kit.config.databaseUrl ?? '', ...none }, 5_000);
    const query = (text: string) => stranger.query(text, [], 5_000);
    const make = (id: string, seats: readonly string[]) =>
      kit.call('/shows', { body: { id, name: id, seats }, admin: true });
    try {
      // A trigger that waits stands for what makes a large show slow.
      await stranger.script(
        `CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql SET lock_timeout = 0 AS
          $$ BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END $$;
        CREATE TRIGGER dawdle BEFORE INSERT ON shows FOR EACH ROW WHEN (NEW.id = 'large') EXECUTE FUNCTION dawdle();
        SELECT pg_advisory_lock(1)`,
        5_000,
      );
      const large = make(
        'large',
        Array.from({ length: 100_000 }, (_, i) => `S${i}`),
      );
      const waiting = () =>
        query(
          "SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = " +
            '(SELECT oid FROM pg_database WHERE datname = current_database())',
        );
      await expect.poll(waiting, { timeout: 15_000 }).toHaveLength(1);

      expect(await make('small', ['A1'])).toMatchObject({ status: 201 });
      await query('SELECT pg_advisory_unlock(1)');
      expect(await large).toMatchObject({ status: 201 });
    } finally {
      await stranger.close();
    }
  });

  it('tells whether a client has the latest', async () => {
    const show = await kit.newShow();
    for (const path of ['/shows', `/shows/${show}`]) {
      const read = await kit.call(path);
      const etag = read.headers.get('etag') ?? '';
      expect(etag).toMatch(/^"[^"]+"$/);
      expect(read.headers.get('cache-control')).toBe('no-cache');
      const known = await kit.call(path, { headers: { 'if-none-match': `"old", W/${etag}` } });
      expect([known.status, known.text, known.headers.get('etag')]).toEqual([304, '', etag]);
      expect((await kit.call(path, { headers: { 'if-none-match': '"old"' } })).status).toBe(200);
    }
  });

  it('answers HEAD like GET, without the body', async () => {
    const show = await kit.newShow();
    const [got, head] = [
      await kit.call(`/shows/${show}`),
      await kit.call(`/shows/${show}`, { method: 'HEAD' }),
    ];
    expect([head.status, head.text]).toEqual([200, '']);
    expect(head.headers.get('content-length')).toBe(got.headers.get('content-length'));
    expect(head.headers.get('etag')).toBe(got.headers.get('etag'));
  });

  it('does not know what is not there', async () => {
    expectFault(await kit.call('/shows/nowhere'), 'unknown_show');
    expectFault(await kit.call('/shows/nowhere/seats'), 'unknown_show');
    expectFault(await kit.call('/shows/no%20where'), 'bad_id');
    expectFault(await kit.call(`/shows/${'x'.repeat(65)}/seats`), 'bad_id');
  });

  it('refuses a show that no client could use', async () => {
    const make = (body: unknown) => kit.call('/shows', { body, admin: true });
    expectFault(await make({ id: 'x', name: 'x', seats: [] }), 'bad_frame');
    expectFault(await make({ id: 'x', name: 'x', seats: ['A1', 'A1'] }), 'duplicate_seat');
    expectFault(await make({ id: 'x y', name: 'x', seats: ['A1'] }), 'bad_id');
    expectFault(await make({ id: 'x', name: 'x\u0000', seats: ['A1'] }), 'bad_frame');
    expectFault(await make({ id: 'x', name: 'x', seats: ['A1'], price: 3 }), 'bad_frame');
  });
});

describe('operations', () => {
  it('lives and is ready', async () => {
    expect((await kit.call('/livez')).body).toEqual({ status: 'ok' });
    const ready = await kit.call('/readyz');
    expect(ready.status).toBe(200);
    expect(readyzResponse.parse(ready.body)).toEqual({
      ready: true,
      redis: true,
      postgres: true,
      streamLagMs: 3,
    });
  });

  it.each(['/asyncapi.json', '/openapi.json'])('describes the protocol for machines at %s', async (path) => {
    const { status, headers, body } = await kit.call(path);
    expect([status, headers.get('content-type')]).toEqual([200, 'application/json; charset=utf-8']);
    expect(body).toMatchObject({ info: { title: expect.stringContaining('Rowlock') } });
    const etag = headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{22}"$/);
    const again = await kit.call(path, { headers: { 'if-none-match': etag } });
    expect([again.status, again.text]).toEqual([304, '']);
  });

  it('counts', async () => {
    const show = await kit.newShow();
    const user = randomUUID();
    const body = { show_id: show, seat_ids: ['A1'], user_id: user };
    await kit.call('/seat-lock', { body });
    await kit.call('/booking/confirm', { body: { ...body, request_id: randomUUID() } });
    const { status, headers, text } = await kit.call('/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('text/plain');
    for (const line of [
      /^rowlock_holds_total\{via="http",outcome="held"\} [1-9]/m,
      /^rowlock_confirms_total\{via="http",outcome="confirmed"\} [1-9]/m,
      /^rowlock_http_requests_total\{route="\/seat-lock",method="post",status="200"\} [1-9]/m,
      /^rowlock_store_up\{store="redis"\} 1/m,
      /^rowlock_stream_lag_seconds 0.003/m,
      /^nodejs_eventloop_lag_seconds /m,
    ]) {
      expect(text).toMatch(line);
    }
    expect(text).not.toContain(show);
    expect(text).not.toContain(user);
  });
});

describe('paths and methods', () => {
  it('answers what is not there with an error body', async () => {
    for (const path of ['/nothing', '/shows/a/b/c', '/ws', '/seat-lock/']) {
      const reply = await kit.call(path);
      expect(reply.status).toBe(404);
      expect(errorBody.parse(reply.body).code).toBe('unsupported');
    }
    for (const [method, path, allow] of [
      ['GET', '/seat-lock', 'POST'],
      ['PUT', '/shows', 'GET, HEAD, POST'],
      ['OPTIONS', '/bookings/x', 'GET, HEAD, DELETE'],
      ['POST', '/livez', 'GET, HEAD'],
    ] as const) {
      const reply = await kit.call(path, { method });
      expect(reply.status).toBe(405);
      expect(reply.headers.get('allow')).toBe(allow);
      expect(errorBody.parse(reply.body).code).toBe('unsupported');
    }
  });

  it('lets nobody sniff, frame or keep', async () => {
    const { headers } = await kit.call('/livez');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
    expect(headers.get('cache-control')).toBe('no-store');
  });
});
