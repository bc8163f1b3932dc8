import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { closeCodes, limits } from '../../protocol/index.ts';
import { sessionLimits } from '../limits.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { POLL } from './harness/backdoor.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { FaultProxy } from './harness/proxy.ts';

/* Every limit of `server/limits.ts` that is met over a socket, one after the other: what is refused, how, and who notices. */

let stage: TestStage;
let app: TestApp;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  app = await stage.start();
});
afterAll(async () => {
  await crowd.leave();
  await stage.close();
});

describe('a session', () => {
  it('of leases per session: what is under way counts, what is extended does not', async () => {
    await stage.createShow('many');
    const { url } = await stage.start({ MAX_SEATS_PER_HOLD: '3', MAX_LEASES_PER_SESSION: '3' });
    const client = await crowd.join(url);
    const hold = (...seatIds: string[]) => ({ type: 'hold', showId: 'many', seatIds }) as const;
    const ids = ['A1', 'A2', 'A3', 'A4'].map((seatId) => client.send(hold(seatId)));
    const replies = await Promise.all(ids.map((id) => client.reply(id)));
    expect(replies.map(({ type }) => type)).toEqual(['held', 'held', 'held', 'error']);
    expect(replies[3]).toMatchObject({ code: 'limit_reached', retryable: false });
    await client.request<'held'>(hold('A1', 'A2', 'A3'));
    expect(await client.refusal(hold('A3', 'A4'))).toMatchObject({ code: 'limit_reached' });
    await client.request<'released'>({ type: 'release', showId: 'many', seatIds: ['A1'] });
    await client.request<'held'>(hold('A4'));
    await client.request<'confirmed'>(confirmOf('many', ['A4', 'A3']));
    await client.request<'held'>(hold('A5', 'A6'));
  });

  it('of watches per session', async () => {
    await Promise.all(['w1', 'w2', 'w3'].map((id) => stage.createShow(id)));
    const { url } = await stage.start({ MAX_WATCHES_PER_SESSION: '2' });
    const client = await crowd.join(url);
    const ids = ['w1', 'w2', 'w3'].map((id) => client.send({ type: 'watch', showId: id }));
    const replies = await Promise.all(ids.map((id) => client.reply(id)));
    expect(replies.filter(({ type }) => type === 'snapshot')).toHaveLength(2);
    const refused = replies.findIndex(({ type }) => type === 'error');
    expect(replies[refused]).toMatchObject({ code: 'limit_reached', retryable: false });
    const watched = ['w1', 'w2', 'w3'].filter((_, i) => i !== refused);
    // Watching again is no further one.
    await client.request<'snapshot'>({ type: 'watch', showId: watched[0] ?? '' });
    await client.request<'unwatched'>({ type: 'unwatch', showId: watched[1] ?? '' });
    await client.request<'snapshot'>({ type: 'watch', showId: `w${refused + 1}` });
  });

  it('of frames per second: refused with retryInMs, served after it, closed with 4503 on abuse', async () => {
    await stage.createShow('flood');
    const { url } = await stage.start({ MAX_FRAMES_PER_S: '5' });
    const [client, neighbour] = [await crowd.join(url), await crowd.join(url)];
    const watcher = await crowd.watch(app.url, 'flood');
    await client.request<'held'>({ type: 'hold', showId: 'flood', seatIds: ['A1'] });
    await watcher.untilSeat('flood', 'A1', 'held');
    // Ten may come at once; the rest allows for a server that takes its time to read them.
    const ids = Array.from({ length: 25 }, () => client.send({ type: 'heartbeat' }));
    const replies = await Promise.all(ids.map((id) => client.reply(id)));
    const refused = replies.flatMap((reply) => (reply.type === 'error' ? [reply] : []));
    expect(refused.length).toBeGreaterThanOrEqual(3);
    for (const refusal of refused) expect(refusal).toMatchObject({ code: 'rate_limited', retryable: true });
    const waitMs = refused.map((refusal) => ('retryInMs' in refusal ? Number(refusal.retryInMs) : 0));
    for (const ms of waitMs) {
      expect(ms).toBeGreaterThan(0);
      expect(ms).toBeLessThanOrEqual(200);
    }
    const servedAt = performance.now() + Math.max(...waitMs);
    await expect.poll(() => performance.now() >= servedAt, POLL).toBe(true);
    await client.request<'renewed'>({ type: 'heartbeat' });
    for (let i = 0; i < 400; i++) client.send({ type: 'heartbeat' });
    expect(await client.closed()).toBe(closeCodes.abuse);
    // Its seats are freed like those of any other, and others are served as ever.
    await watcher.untilSeat('flood', 'A1', 'available');
    await neighbour.request<'renewed'>({ type: 'heartbeat' });
  });

  it('of nonsense: closed with 4503', async () => {
    const client = await crowd.join(app.url);
    for (let i = 0; i < 300; i++) client.sendRaw('nonsense');
    expect(await client.closed()).toBe(closeCodes.abuse);
    const answers = client.frames.filter((frame) => frame.type === 'error');
    expect(answers.length).toBeGreaterThanOrEqual(100);
    for (const answer of answers) expect(answer).toMatchObject({ code: 'bad_frame' });
  });

  it('of frames under way: those beyond are busy, at once, and those before are answered in the end', async () => {
    const postgres = await FaultProxy.before(stage.database.url);
    const databaseUrl = postgres.urlFor(stage.database.url);
    const { url } = await stage.start({ MAX_FRAMES_PER_S: '0' }, { databaseUrl });
    const client = await crowd.join(url);
    // The server does not know the show yet, and asks a Postgres that does not answer.
    postgres.blackHole();
    const beyond = 40;
    const ids = Array.from({ length: sessionLimits.maxUnderWay + beyond }, () =>
      client.send({ type: 'watch', showId: 'unheard-of' }),
    );
    const refused = await Promise.all(ids.slice(-beyond).map((id) => client.reply(id)));
    for (const refusal of refused) expect(refusal).toMatchObject({ code: 'busy', retryable: true });
    expect(client.frames).toHaveLength(1 + beyond);
    postgres.pass();
    const replies = await Promise.all(ids.slice(0, -beyond).map((id) => client.reply(id)));
    for (const reply of replies)
      expect(['unknown_show', 'unavailable']).toContain('code' in reply && reply.code);
    await client.close();
    await postgres.stop();
  });
});

describe('sessions', () => {
  const refused = async (url: string, hello: object = {}) => {
    const client = await crowd.connect(url);
    const refusal = await client.refusal({ type: 'hello', ...hello });
    expect(refusal).toMatchObject({ code: 'limit_reached', retryable: false });
    expect(await client.closed()).toBe(closeCodes.abuse);
  };

  it('per user: one too many is refused; who leaves makes room; others are not concerned', async () => {
    const { url } = await stage.start({ MAX_SESSIONS_PER_USER: '2' });
    const userId = randomUUID();
    const first = await crowd.join(url, { userId });
    const second = await crowd.join(url, { userId });
    await refused(url, { userId });
    await crowd.join(url);
    // Resuming takes the place of the earlier connection.
    await crowd.join(url, { userId, session: second.session });
    await first.close();
    await expect
      .poll(
        () =>
          crowd.join(url, { userId }).then(
            () => true,
            () => false,
          ),
        POLL,
      )
      .toBe(true);
  });

  it('per address', async () => {
    const { url } = await stage.start({ MAX_SESSIONS_PER_ADDRESS: '2' });
    await crowd.joinMany(url, 2);
    await refused(url);
  });

  it('per address also for sockets that never say hello', async () => {
    const { url } = await stage.start({ MAX_SESSIONS_PER_ADDRESS: '2' });
    for (let i = 0; i < 4; i++) await crowd.connect(url);
    const { port } = new URL(url);
    const status = await new Promise((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
      socket.on('error', () => {}).on('unexpected-response', (_, response) => resolve(response.statusCode));
    });
    expect(status).toBe(429);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('rowlock_upgrades_refused_total{code="limit_reached"} 1');
  });

  it('of leases cannot be passed by resuming', async () => {
    const { url } = await stage.start({ MAX_SEATS_PER_HOLD: '2', MAX_LEASES_PER_SESSION: '2' });
    await stage.createShow('limited');
    const first = await crowd.join(url);
    await first.request<'held'>({ type: 'hold', showId: 'limited', seatIds: ['A1', 'A2'] });
    const { userId, session } = first;
    const second = await crowd.join(url, { userId, session });
    await second.request<'held'>({ type: 'hold', showId: 'limited', seatIds: ['A3', 'A4'] });
    const seatIds = ['A1', 'A2', 'A3', 'A4'];
    const third = await crowd.join(url, { userId, session, leases: [{ showId: 'limited', seatIds }] });
    expect(third.welcome.leases.flatMap((lease) => lease.seatIds).sort()).toEqual(['A1', 'A2']);
    expect(third.welcome.lost).toEqual([{ showId: 'limited', seatIds: ['A3', 'A4'] }]);
  });

  it('per address behind a proxy: by what the proxy says', async () => {
    const { url } = await stage.start({ MAX_SESSIONS_PER_ADDRESS: '1', TRUST_PROXY: 'true' });
    const from = async (...lines: string[]) => {
      // What ws passes on to Node's own client may be several lines, though its types know one.
      const headers = { 'x-forwarded-for': lines } as object as Record<string, string>;
      const client = await crowd.connect(url, { headers });
      return (await client.reply(client.send({ type: 'hello' }))).type;
    };
    expect(await from('10.0.0.1, 192.0.2.1')).toBe('welcome');
    expect(await from('10.0.0.1, 192.0.2.2')).toBe('welcome');
    expect(await from('10.0.0.1, 192.0.2.1')).toBe('error');
    // The proxy has put a line of its own below the one that the client made up.
    expect(await from('192.0.2.3', '192.0.2.2')).toBe('error');
    // Whoever has one IPv6 address has its /64.
    expect(await from('2001:db8:0:1::1')).toBe('welcome');
    expect(await from('2001:db8:0:1:ffff::2')).toBe('error');
    expect(await from('2001:db8:0:2::1')).toBe('welcome');
    expect(await from('::ffff:192.0.2.2')).toBe('error');
  });

  it('per server', async () => {
    const { url } = await stage.start({ MAX_SESSIONS: '2' });
    await crowd.joinMany(url, 2);
    await refused(url);
  });
});

describe('a user over HTTP', () => {
  const lock = (url: string, user_id: string, ...seat_ids: string[]) =>
    call(url, '/seat-lock', { show_id: 'over-http', seat_ids, user_id });

  it('of leases: what is extended is no further one; what is given back or booked makes room', async () => {
    await stage.createShow('over-http');
    const { url } = await stage.start({ MAX_SEATS_PER_HOLD: '3', MAX_LEASES_PER_SESSION: '3' });
    const user_id = randomUUID();
    expect((await lock(url, user_id, 'A1', 'A2', 'A3')).status).toBe(200);
    const refused = await lock(url, user_id, 'A1', 'A4');
    expect(refused).toMatchObject({ status: 429, body: { code: 'limit_reached', retryable: false } });
    expect((await lock(url, user_id, 'A3')).status).toBe(200);
    expect((await lock(url, randomUUID(), 'A4')).status).toBe(200);
    await call(url, '/seat-unlock', { show_id: 'over-http', seat_ids: ['A1'], user_id });
    const booking = { show_id: 'over-http', seat_ids: ['A2'], user_id, request_id: randomUUID() };
    expect((await call(url, '/booking/confirm', booking)).status).toBe(200);
    expect((await lock(url, user_id, 'A5', 'A6')).status).toBe(200);
    expect(await lock(url, user_id, 'A7')).toMatchObject({ body: { code: 'limit_reached' } });
  });

  it('of calls per second: refused with retryInMs; other users of the address are served', async () => {
    const { url } = await stage.start({ MAX_FRAMES_PER_S: '1' });
    const user_id = randomUUID();
    const body = { show_id: 'over-http', seat_ids: ['A8'], user_id };
    const replies = await Promise.all(Array.from({ length: 10 }, () => call(url, '/seat-unlock', body)));
    const refused = replies.filter(({ status }) => status !== 200);
    expect(refused.length).toBeGreaterThan(0);
    for (const { status, body } of refused)
      expect({ status, ...body }).toMatchObject({ status: 429, code: 'rate_limited', retryable: true });
    for (const { body } of refused) expect(body['retryInMs']).toBeGreaterThan(0);
    expect((await call(url, '/seat-unlock', { ...body, user_id: randomUUID() })).status).toBe(200);
  });
});

describe('a body over HTTP', () => {
  it('of more bytes than it may have is too_large, and nothing is done', async () => {
    const body = {
      show_id: 'x',
      seat_ids: ['A1'],
      user_id: randomUUID(),
      padding: 'x'.repeat(limits.maxBodyBytes),
    };
    for (const path of ['/seat-lock', '/seat-unlock', '/booking/confirm'])
      expect(await call(app.url, path, body)).toMatchObject({ status: 413, body: { code: 'too_large' } });
  });
});
