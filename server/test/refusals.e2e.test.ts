/*
 * The documents tell which refusals each frame and call may meet. Here each of them is met once; that no other one is, the
 * harness's clients see to in every test (harness/documented.ts).
 */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { calls } from '../../protocol/documents/calls.ts';
import { clientWords } from '../../protocol/documents/words.ts';
import { type ClientFrame, type FaultCode, limits } from '../../protocol/index.ts';
import { ADMIN_TOKEN, openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import type { TestClient } from './harness/client.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { FaultProxy } from './harness/proxy.ts';

const showId = 'show';
const secret = randomUUID();
const bookedAs = randomUUID();
const uuid = randomUUID();

let stage: TestStage;
let toPostgres: FaultProxy;
/** Small limits, one foreign origin, and a way to Postgres that loses replies. */
let app: TestApp;
/** Users need tokens. */
let known: TestApp;
/** Takes one call of a user in a while. */
let slow: TestApp;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  toPostgres = await FaultProxy.before(stage.database.url);
  const small = {
    MAX_SEATS_PER_HOLD: '4',
    MAX_LEASES_PER_SESSION: '4',
    MAX_WATCHES_PER_SESSION: '1',
    MAX_SESSIONS_PER_USER: '1',
    ALLOWED_ORIGINS: 'https://shop.example',
  };
  app = await stage.start(small, { databaseUrl: toPostgres.urlFor(stage.database.url) });
  known = await stage.start({ AUTH_JWT_SECRET: secret });
  slow = await stage.start({ MAX_FRAMES_PER_S: '1' });
  await Promise.all([stage.createShow(showId), stage.createShow('other')]);
  const owner = await crowd.join(app.url);
  await owner.request({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
  await owner.request(confirmOf(showId, ['A2'], bookedAs));
  // Each connection of the pool has seen each statement: what comes later is one message and one reply.
  await call('POST', '/seat-lock', { show_id: showId, user_id: uuid, seat_ids: ['A9', 'A10', 'A11'] });
});
afterAll(async () => {
  await crowd.leave();
  await stage.close();
  await toPostgres.stop();
});

/** Any frame and call may meet these, by the very same code: batches, outage, dispatcher and exchange have their tests. */
const anywhere = new Set<FaultCode>(['internal', 'busy', 'unavailable', 'timed_out']);

const specific = (codes: readonly FaultCode[]) => [...new Set(codes)].filter((code) => !anywhere.has(code));

type Frame = Parameters<TestClient['send']>[0];
const many = (most: number) => Array.from({ length: most + 1 }, (_, i) => `A${i}`);

/** What each frame about seats is refused with, for its seats' sake. */
const seats = (frame: Frame) => ({
  unknown_show: { ...frame, showId: 'nowhere' },
  unknown_seat: { ...frame, seatIds: ['Z1'] },
  too_many_seats: { ...frame, seatIds: many(10) },
  duplicate_seat: { ...frame, seatIds: ['A5', 'A5'] },
});
const hold = { type: 'hold' as const, showId, seatIds: ['A5'] };
/** As many as a session may hold may be given back at once. */
const release = { type: 'release' as const, showId, seatIds: ['A5'] };
const checkout = { type: 'checkout' as const, showId, seatIds: ['A5'] };
const confirm = confirmOf(showId, ['A5'], uuid);
const twice = { showId, seatIds: ['A1'] };

type Evoked = Partial<Record<FaultCode, Frame | (() => Promise<Frame>)>>;

const frames: Readonly<Record<ClientFrame['type'], Evoked>> = {
  hello: {
    unauthorized: { type: 'hello', token: 'x'.repeat(limits.maxTokenLength + 1) },
    limit_reached: async () => ({ type: 'hello', userId: (await crowd.join(app.url)).userId }),
    duplicate_seat: { type: 'hello', leases: [twice, twice] },
    too_many_seats: { type: 'hello', leases: [{ showId, seatIds: many(limits.maxSeatsPerFrame) }] },
  },
  watch: { unknown_show: { type: 'watch', showId: 'nowhere' }, limit_reached: { type: 'watch', showId } },
  unwatch: { unknown_show: { type: 'unwatch', showId: 'nowhere' } },
  hold: {
    ...seats(hold),
    seat_unavailable: { ...hold, seatIds: ['A1'] },
    limit_reached: { ...hold, seatIds: ['A5', 'A6', 'A8', 'A12'] },
  },
  heartbeat: {},
  release: { ...seats(release), too_many_seats: { ...release, seatIds: many(limits.maxSeatsPerFrame) } },
  checkout: { ...seats(checkout), lease_lost: checkout },
  confirm: {
    ...seats(confirm),
    seat_unavailable: confirmOf(showId, ['A2']),
    lease_lost: confirmOf(showId, ['A5']),
    request_mismatch: confirmOf(showId, ['A5'], bookedAs),
    outcome_unknown: async () => {
      const lost = confirmOf(showId, ['A8']);
      void toPostgres.dropNextReply((bytes) => bytes.includes(lost.requestId));
      return lost;
    },
  },
};

/** A client that is refused so: hello is the first of all; the others come from somebody who holds or watches what it takes. */
async function sender(type: ClientFrame['type'], code: FaultCode): Promise<TestClient> {
  if (type === 'hello') return crowd.connect(app.url);
  const guest = await crowd.join(app.url);
  if (type === 'watch') await guest.request({ type: 'watch', showId: 'other' });
  if (code === 'limit_reached' && type === 'hold') await guest.request({ ...hold, seatIds: ['A7'] });
  if (type === 'confirm') await guest.request({ type: 'hold', showId, seatIds: ['A8'] });
  return guest;
}

describe.each(Object.entries(clientWords))('a %s', (name, { refusals }) => {
  const type = name as ClientFrame['type'];

  it('has an example here of each refusal that the documents tell, and of no other', () => {
    expect(Object.keys(frames[type]).toSorted()).toEqual([...refusals].toSorted());
  });

  it.each(specific(refusals))('is refused with %s', async (code) => {
    const evoked = frames[type][code];
    const client = await sender(type, code);
    const frame = typeof evoked === 'function' ? await evoked() : (evoked ?? expect.unreachable());
    expect(await client.refusal(frame)).toMatchObject({ code });
    await client.terminate();
  });
});

interface Call {
  readonly path?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly url?: () => string;
  readonly losesReplyOf?: string;
  /** At once; any of them. */
  readonly times?: number;
}

async function call(
  method: string,
  path: string,
  body?: unknown,
  headers: Call['headers'] = {},
  url = app.url,
) {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, 'content-type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json().catch(() => ({})) };
}

const forbidden: Call = { headers: { origin: 'https://elsewhere.example' } };
const tooFast = { url: () => slow.url, times: 10 };
const nobody = { url: () => known.url, headers: { authorization: '' } };
const unreadable = (body: object) => ({
  bad_frame: { body: '{' },
  bad_id: { body: { ...body, ...('id' in body ? { id: 'no id' } : { show_id: 'no id' }) } },
  too_large: { body: ' '.repeat(('id' in body ? limits.maxShowBodyBytes : limits.maxBodyBytes) + 1) },
  unsupported_media: { body, headers: { 'content-type': 'text/plain' } },
});
const onSeats = (body: { readonly seat_ids: readonly string[] }) => ({
  forbidden: { ...forbidden, body },
  ...unreadable(body),
  unauthorized: { ...nobody, body },
  rate_limited: { ...tooFast, body: { ...body, show_id: 'nowhere' } },
  duplicate_seat: { body: { ...body, seat_ids: ['A5', 'A5'] } },
  too_many_seats: { body: { ...body, seat_ids: many(10) } },
  unknown_show: { body: { ...body, show_id: 'nowhere' } },
  unknown_seat: { body: { ...body, seat_ids: ['Z1'] } },
});
const lock = { show_id: showId, user_id: uuid, seat_ids: ['A5'] };
const booking = { ...lock, request_id: uuid };
const unknownSale = randomUUID();
const newShow = { id: 'new', name: 'New', seats: ['A1'] };
const lostShow = `lost-${randomUUID()}`;
const onPath = (path: string) => ({ forbidden, bad_id: { path: `${path}/no%20id` } });

const requests: Readonly<Record<string, Partial<Record<FaultCode, Call>>>> = {
  'POST /seat-lock': {
    ...onSeats(lock),
    seat_unavailable: { body: { ...lock, seat_ids: ['A1'] } },
    limit_reached: { body: { ...lock, seat_ids: ['A5', 'A6'] } },
  },
  'POST /seat-unlock': {
    ...onSeats(lock),
    too_many_seats: { body: { ...lock, seat_ids: many(limits.maxSeatsPerFrame) } },
  },
  'POST /booking/confirm': {
    ...onSeats(booking),
    seat_unavailable: { body: { ...booking, request_id: randomUUID(), seat_ids: ['A2'] } },
    lease_lost: { body: { ...booking, request_id: randomUUID() } },
    request_mismatch: { body: { ...booking, request_id: bookedAs } },
    outcome_unknown: {
      body: { ...booking, request_id: unknownSale, seat_ids: ['A9'] },
      losesReplyOf: unknownSale,
    },
  },
  'GET /shows': { forbidden },
  'POST /shows': {
    forbidden: { ...forbidden, body: newShow },
    ...unreadable(newShow),
    duplicate_seat: { body: { ...newShow, seats: ['A1', 'A1'] } },
    too_many_seats: { body: { ...newShow, seats: many(limits.maxSeatsPerShow) } },
    already_exists: { body: { ...newShow, id: showId } },
    outcome_unknown: { body: { ...newShow, id: lostShow }, losesReplyOf: lostShow },
  },
  'GET /shows/:showId': { ...onPath('/shows'), unknown_show: { path: '/shows/nowhere' } },
  'GET /shows/:showId/seats': {
    forbidden,
    bad_id: { path: '/shows/no%20id/seats' },
    unknown_show: { path: '/shows/nowhere/seats' },
  },
  'GET /bookings/:requestId': {
    ...onPath('/bookings'),
    unknown_booking: { path: `/bookings/${randomUUID()}` },
  },
  'DELETE /bookings/:requestId': {
    ...onPath('/bookings'),
    unknown_booking: { path: `/bookings/${randomUUID()}` },
    outcome_unknown: { path: `/bookings/${bookedAs}`, losesReplyOf: bookedAs },
  },
  ...Object.fromEntries(
    ['livez', 'readyz', 'metrics', 'client.js', 'asyncapi.json', 'openapi.json'].map((name) => [
      `GET /${name}`,
      { forbidden },
    ]),
  ),
};

describe.each(Object.entries(calls))('%s', (name, { refusals }) => {
  const [method = '', pattern = ''] = name.split(' ');

  it('has an example here of each refusal that the documents tell, and of no other', () => {
    expect(Object.keys(requests[name] ?? {}).toSorted()).toEqual(specific(refusals).toSorted());
  });

  it.each(specific(refusals))('is refused with %s', async (code) => {
    const {
      path = pattern,
      body,
      headers,
      url,
      losesReplyOf,
      times = 1,
    } = requests[name]?.[code] ?? expect.unreachable();
    if (losesReplyOf !== undefined) void toPostgres.dropNextReply((bytes) => bytes.includes(losesReplyOf));
    const once = () => call(method, path.replace(/:\w+/, uuid), body, headers, url?.());
    const replies = await Promise.all(Array.from({ length: times }, once));
    expect(replies.map((reply) => reply.body)).toContainEqual(expect.objectContaining({ code }));
  });
});
