import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { closeCodes, type ErrorFrame, limits, type ServerFrame } from '../../protocol/index.ts';
import { FRAMES_BURST_S, sessionLimits } from '../limits.ts';
import { openStage, type TestStage, type Variables } from './harness/app-kit.ts';
import { Backdoor, POLL } from './harness/backdoor.ts';
import { countOf } from './harness/counts.ts';
import { Crowd, type Guest } from './harness/crowd.ts';
import { call } from './harness/http.ts';

/*
 * One client sends far more than it may, and its neighbour does not notice. Judged by counts and by order, never by the time that
 * something took: how much of the flood was let through to the stores, what became of the rest, and how much of it stood before
 * what the neighbour asked for in the middle of it.
 *
 * What a bucket lets through depends on how long the flood went on: the longer of the server's time and the test's is the test's,
 * so a slow machine only makes the bounds wider.
 */

const FRAMES_PER_S = 50;
const FLOOD = 3_000;
const PATIENCE_MS = 15_000;
/** No store is too slow for a test, however little of the machine it has. */
const patient = {
  REDIS_TIMEOUT_MS: '10000',
  LOCK_TIMEOUT_MS: '11000',
  STATEMENT_TIMEOUT_MS: '12000',
  CONFIRM_DEADLINE_MS: '25000',
  GUARD_MS: '30000',
  DRAIN_MS: '31000',
};

let stage: TestStage;
let backdoor: Backdoor;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  backdoor = new Backdoor(stage);
});
afterAll(async () => {
  await crowd.leave();
  await backdoor.close();
  await stage.close();
});

const start = (variables: Variables = {}) => stage.start({ ...patient, ...variables });

/** What a bucket may have let through that was full at `fromMs`. */
const letThrough = (perS: number, burst: number, fromMs: number): number =>
  Math.ceil(burst + (perS * (performance.now() - fromMs)) / 1_000);

const holdOf = (showId: string, ...numbers: number[]) =>
  ({ type: 'hold', showId, seatIds: numbers.map((number) => `A${number}`) }) as const;

const isError = (frame: ServerFrame): frame is ErrorFrame => frame.type === 'error';
/** Without asking any store. */
const isRefusal = (frame: ServerFrame): frame is ErrorFrame =>
  isError(frame) && (frame.code === 'rate_limited' || frame.code === 'bad_frame');

function expectWait(refusal: ErrorFrame): void {
  expect(refusal).toMatchObject({ retryable: true, retryInMs: expect.any(Number) });
  const ms = 'retryInMs' in refusal ? Number(refusal.retryInMs) : 0;
  expect(ms).toBeGreaterThan(0);
  expect(ms).toBeLessThanOrEqual(1_000 / FRAMES_PER_S);
}

async function ended(flooder: Guest): Promise<void> {
  await flooder.until(() => flooder.closeCode !== undefined, 'the end of the flood', PATIENCE_MS);
  expect(flooder.closeCode).toBe(closeCodes.abuse);
}

/** Outcomes that Postgres keeps for ever. */
async function requestsOf(showId: string): Promise<number> {
  const rows = await backdoor.sql`SELECT request_id FROM booking_requests WHERE show_id = ${showId}`;
  return rows.length;
}

/** All bytes are with the kernel, or in line for it, before the server gets to read the first. */
function pour(client: Guest, from: number, to: number, frameOf: (i: number) => string): void {
  for (let i = from; i < to; i++) client.sendRaw(frameOf(i));
}

describe('frames of one client beyond its rate', () => {
  const hold = (i: number) => `{"type":"hold","id":"f${i}","showId":"SHOW","seatIds":["A${i + 1}"]}`;
  const beat = (i: number) => `{"type":"heartbeat","id":"f${i}"}`;
  const confirm = (i: number) =>
    `{"type":"confirm","id":"f${i}","showId":"SHOW","seatIds":["A${i + 1}"],"requestId":"${randomUUID()}"}`;
  const watch = (i: number) => `{"type":"watch","id":"f${i}","showId":"SHOW"}`;
  const garbage = (i: number) => `garbage ${i}`;
  const mixed = (i: number) => [hold, beat, confirm, garbage][i % 4]?.(i) ?? '';
  const rate = { MAX_FRAMES_PER_S: String(FRAMES_PER_S) };

  it.each([
    ['holds', hold, 'holds'],
    ['heartbeats', beat, 'renewals'],
    ['confirms', confirm, 'guards'],
    ['watches', watch, undefined],
    ['garbage', garbage, undefined],
    ['mixed', mixed, undefined],
  ])(
    '%s: some reach the stores, the rest is refused, then 4503; the neighbour is served',
    async (what, of, batcher) => {
      const showId = `flood-of-${what}`;
      await stage.createShow(showId, FLOOD + 10);
      const app = await start({ ...rate, MAX_LEASES_PER_SESSION: '0' });
      const seat = (n: number) => holdOf(showId, FLOOD + n);
      const neighbour = await crowd.join(app.url);
      await neighbour.request<'held'>(seat(1));
      const fromMs = performance.now();
      const flooder = await crowd.join(app.url);
      await flooder.request<'held'>(seat(2));

      const frame = (i: number) => of(i).replace('SHOW', showId);
      pour(flooder, 0, FLOOD / 2, frame);
      const asked = neighbour.request<'held'>(seat(3));
      pour(flooder, FLOOD / 2, FLOOD, frame);
      const { seq } = await asked;
      await ended(flooder);

      const mayPass = letThrough(FRAMES_PER_S, FRAMES_PER_S * FRAMES_BURST_S, fromMs);
      const mayOffend = letThrough(sessionLimits.offencesPerS, sessionLimits.offencesBurst, fromMs) + 1;
      const [, , ...replies] = flooder.frames;
      const refused = replies.filter(isRefusal);
      expect(replies.length - refused.length).toBeLessThanOrEqual(mayPass);
      expect(refused.length).toBeGreaterThan(sessionLimits.offencesBurst);
      expect(refused.length).toBeLessThanOrEqual(mayOffend);
      for (const refusal of refused) if (refusal.code === 'rate_limited') expectWait(refusal);
      // What came behind the close was not even read. Besides, there were two hellos and three holds.
      expect(await countOf(app, 'frames_received_total')).toBeLessThanOrEqual(mayPass + mayOffend + 5);
      if (batcher !== undefined)
        expect(await countOf(app, 'batch_requests_sum', { batcher })).toBeLessThanOrEqual(mayPass + 3);
      expect(await requestsOf(showId)).toBeLessThanOrEqual(mayPass);
      // In the order in which Redis saw them: no more of the flood than may pass stood before the neighbour, and its undoing.
      expect(seq).toBeLessThanOrEqual(2 * mayPass + 3);
    },
  );

  it('large and bad: the more there is to read, the sooner it ends', async () => {
    const app = await start(rate);
    const fromMs = performance.now();
    const flooder = await crowd.join(app.url);
    const deep = '['.repeat(limits.maxFrameBytes / 2) + ']'.repeat(limits.maxFrameBytes / 2);
    pour(flooder, 0, 100, () => deep);
    await ended(flooder);
    const mayOffend = letThrough(sessionLimits.offencesPerS, sessionLimits.offencesBurst, fromMs);
    const offences = limits.maxFrameBytes / sessionLimits.offenceBytes;
    const read = await countOf(app, 'frames_received_total', { type: 'invalid' });
    expect(read).toBeGreaterThan(1);
    expect(read).toBeLessThanOrEqual(Math.ceil(mayOffend / offences) + 1);
  });
});

describe('without a limit of frames', () => {
  it('a flood has so many under way, and the rest is busy: it stands before nobody', async () => {
    const showId = 'no-limit';
    await stage.createShow(showId, FLOOD + 10);
    const app = await start({ MAX_FRAMES_PER_S: '0', MAX_LEASES_PER_SESSION: '0' });
    const [flooder, neighbour] = [await crowd.join(app.url), await crowd.join(app.url)];
    await neighbour.request<'held'>(holdOf(showId, FLOOD + 1));
    const hold = (i: number) => `{"type":"hold","id":"f${i}","showId":"${showId}","seatIds":["A${i + 1}"]}`;
    pour(flooder, 0, FLOOD, hold);
    const held = await neighbour.request<'held'>(holdOf(showId, FLOOD + 2));
    // Twice: what was sent last may be read a turn later.
    expect(held.seq).toBeLessThanOrEqual(2 * sessionLimits.maxUnderWay + 2);
    await flooder.until(() => flooder.frames.length === FLOOD + 1, 'all answers', PATIENCE_MS);
    const [, ...replies] = flooder.frames;
    const granted = replies.filter(({ type }) => type === 'held');
    const busy = replies.filter(isError);
    expect(granted.length).toBeGreaterThanOrEqual(sessionLimits.maxUnderWay);
    for (const refusal of busy)
      expect(refusal).toMatchObject({ code: 'busy', retryable: true, retryInMs: expect.any(Number) });
    expect(await countOf(app, 'batch_requests_sum', { batcher: 'holds' })).toBe(granted.length + 2);
  });
});

describe('who asks for much and reads nothing', () => {
  it('is closed with 4008 once more waits for it than one may keep; what it asked for besides is not looked at', async () => {
    const showId = 'large';
    const [seats, each] = [8_000, 400];
    await stage.createShow(showId, seats);
    const app = await start({
      MAX_FRAMES_PER_S: '0',
      MAX_LEASES_PER_SESSION: '0',
      MAX_SEATS_PER_HOLD: String(each),
    });
    const [deaf, neighbour] = [await crowd.join(app.url), await crowd.join(app.url)];
    for (let from = 1; from <= seats; from += each) {
      const numbers = Array.from({ length: each }, (_, i) => from + i);
      await neighbour.request<'held'>(holdOf(showId, ...numbers));
    }
    deaf.socket.pause();
    pour(deaf, 0, FLOOD, (i) => `{"type":"watch","id":"f${i}","showId":"${showId}"}`);
    await neighbour.request<'renewed'>({ type: 'heartbeat' });
    const closed = () => countOf(app, 'connections_closed_total', { code: '4008' });
    await expect.poll(closed, { ...POLL, timeout: PATIENCE_MS }).toBe(1);
    expect(await countOf(app, 'frames_received_total', { type: 'watch' })).toBeLessThan(FLOOD / 2);
    deaf.socket.resume();
  });
});

describe('over HTTP', () => {
  const lock = (url: string, show_id: string, user_id: string, seat: number) =>
    call(url, '/seat-lock', { show_id, seat_ids: [`A${seat}`], user_id });

  it('calls of one user beyond its rate are refused, and reach no store; its neighbours are served', async () => {
    const calls = 500;
    await stage.createShow('over-http', calls + 10);
    const app = await start({ MAX_FRAMES_PER_S: `${FRAMES_PER_S}`, MAX_LEASES_PER_SESSION: '0' });
    const neighbour = await crowd.join(app.url);
    const fromMs = performance.now();
    const user = randomUUID();
    const flood = (from: number, to: number) =>
      Array.from({ length: to - from }, (_, i) => lock(app.url, 'over-http', user, from + i + 1));
    const first = flood(0, calls / 2);
    const asked = neighbour.request<'held'>(holdOf('over-http', calls + 1));
    const overHttp = lock(app.url, 'over-http', randomUUID(), calls + 2);
    const answers = await Promise.all([...first, ...flood(calls / 2, calls)]);
    const mayPass = letThrough(FRAMES_PER_S, FRAMES_PER_S * FRAMES_BURST_S, fromMs);
    const served = answers.filter(({ status }) => status === 200);
    const refused = answers.filter(({ status }) => status !== 200);
    expect(served.length).toBeLessThanOrEqual(mayPass);
    for (const { status, body } of refused)
      expect({ status, ...body }).toMatchObject({
        status: 429,
        code: 'rate_limited',
        retryable: true,
        retryInMs: expect.any(Number),
      });
    expect((await asked).seatIds).toEqual([`A${calls + 1}`]);
    expect((await overHttp).status).toBe(200);
    const reached = await countOf(app, 'batch_requests_sum', { batcher: 'holds' });
    expect(reached).toBe(served.length + 2);
  });

  it('a connection has one request at work: who does not wait for its answer is cut', async () => {
    const app = await start();
    const { port } = new URL(app.url);
    const socket = connect(Number(port), '127.0.0.1');
    await once(socket, 'connect');
    socket.on('error', () => {});
    socket.write('GET /shows HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(1_000));
    socket.resume();
    await once(socket, 'close');
    // The first was begun; its answer has nobody to go to.
    const begun = () => countOf(app, 'http_requests_total', { route: '/shows' });
    await expect.poll(begun, POLL).toBe(1);
    expect((await call(app.url, '/shows')).status).toBe(200);
    expect(await begun()).toBe(2);
  });
});

describe('upgrades from one address', () => {
  it('are taken as many as may be, and refused beyond; those who are in are served', async () => {
    const sessions = 20;
    await stage.createShow('crowded');
    const app = await start({ MAX_SESSIONS_PER_ADDRESS: String(sessions) });
    const neighbour = await crowd.join(app.url);
    const first = knock(app.url, 150);
    const held = neighbour.request<'held'>(holdOf('crowded', 1));
    const second = knock(app.url, 150);
    const answers = await Promise.all([...first, ...second].map(({ answer }) => answer));
    expect((await held).seatIds).toEqual(['A1']);
    const open = answers.filter((answer) => answer === 'open').length;
    const refused = answers.filter((answer) => answer === 429).length;
    expect(open + refused).toBe(300);
    // Who says no hello is sent away some time; only then does somebody else get in.
    const left = await countOf(app, 'connections_closed_total');
    expect(open).toBeLessThanOrEqual(sessions * sessionLimits.socketsPerSession - 1 + left);
    expect(await countOf(app, 'upgrades_refused_total', { code: 'limit_reached' })).toBe(refused);
    for (const { socket } of [...first, ...second]) socket.terminate();
    await expect.poll(() => countOf(app, 'connections'), POLL).toBe(1);
    await crowd.join(app.url);
  });

  interface Knock {
    readonly socket: WebSocket;
    readonly answer: Promise<'open' | number | undefined>;
  }

  function knock(url: string, times: number): Knock[] {
    return Array.from({ length: times }, () => {
      const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`);
      const answer = new Promise<'open' | number | undefined>((resolve) => {
        socket.on('error', () => {}).on('open', () => resolve('open'));
        socket.on('unexpected-response', (_, response) => resolve(response.statusCode));
      });
      return { socket, answer };
    });
  }
});
