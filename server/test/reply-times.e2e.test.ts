import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { replyTimes } from '../reply-times.ts';
import { testConfig } from './harness/app-kit.ts';
import type { TestClient } from './harness/client.ts';
import { confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';
import { openShakyStage, type ShakyStage, shakyTimes } from './harness/shaky-stage.ts';

/* Every kind of request, asked of a server whose stores have fallen silent, is answered by when the configuration says. */

const times = replyTimes(testConfig(shakyTimes));
/** A machine on which everything else is tested at the same time. */
const ALLOWANCE_MS = 3_000;

let stage: ShakyStage;

beforeAll(async () => {
  stage = await openShakyStage();
});
afterEach(() => stage.mend());
afterAll(() => stage.close());

/** How long it took, and by when it had to be there. */
interface Timed {
  readonly what: string;
  readonly tookMs: number;
  readonly withinMs: number;
}

async function timed(what: string, withinMs: number, asked: () => Promise<unknown>): Promise<Timed> {
  const fromMs = performance.now();
  await asked();
  return { what, tookMs: performance.now() - fromMs, withinMs };
}

type Frame = Parameters<TestClient['send']>[0];

function overWebSocket(client: TestClient, withinMs: number, frame: Frame): Promise<Timed> {
  return timed(frame.type, withinMs, async () => {
    const id = client.send(frame);
    const isThere = () => client.frames.some((reply) => 'id' in reply && reply.id === id);
    await client.until(isThere, `a reply to ${frame.type}`, withinMs + ALLOWANCE_MS);
  });
}

const overHttp = (withinMs: number, path: string, body?: object, method?: string): Promise<Timed> =>
  timed(`${method ?? (body ? 'POST' : 'GET')} ${path}`, withinMs, async () => {
    const { status } = await call(stage.shaky.url, path, body, method);
    expect(status).toBeGreaterThanOrEqual(200);
  });

/** A show that the server has read, with seats A1 to A6 held, and one that it has never heard of. */
async function scene(name: string) {
  const [known, cold] = [`${name}-known`, `${name}-cold`];
  await Promise.all([stage.createShow(known), stage.createShow(cold)]);
  const client = await stage.crowd.watch(stage.shaky.url, known);
  const heirs = await stage.crowd.join(stage.shaky.url);
  await client.request<'held'>({ type: 'hold', showId: known, seatIds: ['A1', 'A2', 'A3'] });
  await heirs.request<'held'>({ type: 'hold', showId: known, seatIds: ['A4'] });
  return { known, cold, client, heirs };
}

async function askEverything({ known, cold, client, heirs }: Awaited<ReturnType<typeof scene>>) {
  const { unknownShowMs: readMs } = times;
  const { userId, session } = heirs;
  const leases = [{ showId: known, seatIds: ['A4'] }];
  const newcomer = await stage.crowd.connect(stage.shaky.url);
  const seats = (showId: string, ...seat_ids: string[]) => ({ show_id: showId, seat_ids, user_id: userId });
  const booking = (showId: string) => ({ ...seats(showId, 'A7'), request_id: randomUUID() });
  const ask = (withinMs: number, frame: Frame) => overWebSocket(client, withinMs, frame);
  const at = (showId: string, ...seatIds: string[]) => ({ showId, seatIds });
  return Promise.all([
    overWebSocket(newcomer, times.helloMs, { type: 'hello', userId, session, leases }),
    ask(times.watchMs, { type: 'watch', showId: cold }),
    ask(times.watchMs, { type: 'watch', showId: known }),
    ask(times.catalogueMs, { type: 'unwatch', showId: `${cold}-er` }),
    ask(times.holdMs, { type: 'hold', ...at(known, 'A6') }),
    ask(times.holdMs + readMs, { type: 'hold', ...at(cold, 'A6') }),
    ask(times.holdMs, { type: 'heartbeat' }),
    ask(times.holdMs, { type: 'release', ...at(known, 'A3') }),
    ask(times.holdMs, { type: 'checkout', ...at(known, 'A2') }),
    ask(times.confirmMs, confirmOf(known, ['A1'])),
    ask(times.confirmMs + readMs, confirmOf(cold, ['A1'])),
    overHttp(times.holdMs, '/seat-lock', seats(known, 'A8')),
    overHttp(times.holdMs, '/seat-unlock', seats(known, 'A8')),
    overHttp(times.confirmMs, '/booking/confirm', booking(known)),
    overHttp(times.catalogueMs, '/shows'),
    overHttp(times.catalogueMs, `/shows/${cold}`),
    overHttp(times.seatsMs, `/shows/${cold}/seats`),
    overHttp(times.createMs(2), '/shows', { id: `${cold}-new`, name: 'New', seats: ['A1', 'A2'] }),
    overHttp(times.findMs, `/bookings/${randomUUID()}`),
    overHttp(times.refundMs, `/bookings/${randomUUID()}`, undefined, 'DELETE'),
    overHttp(times.readinessMs, '/readyz'),
    timed('GET /metrics', times.readinessMs, async () => (await fetch(`${stage.shaky.url}/metrics`)).text()),
  ]);
}

it.each([
  ['postgres', ['toPostgres']],
  ['redis', ['toRedis']],
  ['both', ['toPostgres', 'toRedis']],
] as const)('with %s silent every request is answered within its time', async (name, ways) => {
  const set = await scene(name);
  for (const way of ways) stage[way].blackHole();
  const asked = await askEverything(set);
  const late = asked.filter(({ tookMs, withinMs }) => tookMs > withinMs + ALLOWANCE_MS);
  expect(late).toEqual([]);
});
