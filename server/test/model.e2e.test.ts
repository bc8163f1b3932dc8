/**
 * Users who hold, keep, release, book, refund, vanish and resume at random, at the same time, on two servers. Whenever everything is quiet, every watcher's map
 * equals Postgres and Redis, every frame told what the log says, and what was promised to each user is so. Some of them are raw sockets, some use the client, whose connections break.
 *
 * It runs for MODEL_SECONDS (12). A failure prints its seed: MODEL_SEED=<seed> plays that world over and over instead
 * (the same moves; what races within one round may fall differently).
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Actor } from './harness/actor.ts';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { type Break, ClientActor } from './harness/client-actor.ts';
import { explorationOf } from './harness/exploration.ts';
import { FaultProxy } from './harness/proxy.ts';
import { History, Stores, Watcher } from './harness/stream-kit.ts';
import { LONG_MS, World } from './harness/world.ts';

const SEATS = 6;
const ACTORS = 3;
/** Whose programs are the client. */
const CLIENTS = 2;
const WATCHERS = 3;
const SERVERS = 2;
const { timeoutMs, explore } = explorationOf(process.env);

let stage: TestStage;
let stores: Stores;
const urls: string[] = [];
const proxies: FaultProxy[] = [];
let worlds = 0;

beforeAll(async () => {
  stage = await openStage();
  stores = new Stores(stage);
  for (let i = 0; i < SERVERS; i++) {
    const proxy = await FaultProxy.start(stage.redis.port);
    proxies.push(proxy);
    // Only the last one keeps the leases of a dead socket for a while.
    const graceMs = i === SERVERS - 1 ? '1500' : '0';
    const variables = { CHECKOUT_MS: '1200', RESUME_GRACE_MS: graceMs };
    const app = await stage.start(variables, { redisUrl: proxy.urlFor(stage.redis.url) });
    urls.push(app.url);
  }
});
afterAll(async () => {
  await stores?.close();
  await stage?.close();
  await Promise.all(proxies.map((proxy) => proxy.stop()));
});

const seatIds = fc.uniqueArray(
  fc.integer({ min: 1, max: SEATS }).map((n) => `A${n}`),
  { minLength: 1, maxLength: 3 },
);
const server = fc.constantFrom(0, 1);
const choice = fc.nat(1_000);

const as = <const Name extends string, Fields extends object>(
  weight: number,
  does: Name,
  fields: { [Key in keyof Fields]: fc.Arbitrary<Fields[Key]> },
) => ({
  weight,
  // One arbitrary of all fields: `record` would make their types optional.
  arbitrary: fc.record<Fields>(fields).map((chosen) => ({ ...chosen, does })),
});

/** What one user does in a round; `null` seats: all that it has. */
const move = fc.oneof(
  as(8, 'hold', { seatIds, ttlMs: fc.constantFrom(500, LONG_MS, LONG_MS) }),
  as(4, 'confirm', { seatIds: fc.option(seatIds, { freq: 2 }) }),
  as(2, 'release', { seatIds: fc.option(seatIds) }),
  as(1, 'heartbeat', {}),
  as(1, 'checkout', { seatIds: fc.option(seatIds, { freq: 1 }) }),
  as(1, 'repeat', { choice }),
  as(3, 'refund', { choice, server }),
  as(1, 'leave', { clean: fc.boolean(), server }),
  as(4, 'resume', { from: fc.constantFrom('closed', 'closing', 'open'), server }),
  as(2, 'vanish', { doing: fc.constantFrom('hold', 'confirm', 'checkout'), seatIds, server }),
);
type Move = typeof move extends fc.Arbitrary<infer M> ? M : never;

const look = fc.oneof(as(1, 'cut', { server }), as(1, 'blink', {}), {
  weight: 2,
  arbitrary: fc.constant({ does: 'stay' as const }),
});
type Look = typeof look extends fc.Arbitrary<infer L> ? L : never;

/** What the user of a client does, and what becomes of its connection in the middle of it. */
const visit = fc.record({
  doing: fc.constantFrom('hold', 'hold', 'confirm', 'release', 'checkout', 'nothing'),
  seatIds,
  // Coming back takes its time, in which the others might have played several rounds.
  how: fc.nat(11).map((n): Break => (n === 0 ? 'reset' : n === 1 ? 'elsewhere' : 'none')),
});

const round = fc.record({
  visits: fc.array(visit, { minLength: CLIENTS, maxLength: CLIENTS }),
  moves: fc.array(fc.option(move, { freq: 5 }), { minLength: ACTORS, maxLength: ACTORS }),
  looks: fc.array(look, { minLength: WATCHERS, maxLength: WATCHERS }),
  // How far each server is from Redis, so that what one does is overtaken by what the other does.
  delaysMs: fc.array(fc.constantFrom(0, 0, 4, 25), { minLength: SERVERS, maxLength: SERVERS }),
});
type Round = typeof round extends fc.Arbitrary<infer R> ? R : never;

const urlOf = (i: number): string => urls[i % urls.length] ?? '';

function act(actor: Actor, next: Move): Promise<void> {
  switch (next.does) {
    case 'hold':
      return actor.hold(next.seatIds, next.ttlMs);
    case 'confirm':
      return actor.confirm(next.seatIds ?? actor.someLeases());
    case 'release':
      return actor.release(next.seatIds ?? undefined);
    case 'heartbeat':
      return actor.heartbeat();
    case 'checkout':
      return actor.checkout(next.seatIds ?? actor.someLeases());
    case 'repeat':
      return actor.repeat(next.choice);
    case 'refund':
      return actor.refund(next.choice, urlOf(next.server));
    case 'leave':
      return actor.leave(next.clean, urlOf(next.server));
    case 'resume':
      return actor.resume(next.from, urlOf(next.server));
    case 'vanish':
      return actor.vanish(next.doing, next.seatIds, urlOf(next.server));
  }
}

async function see(watcher: Watcher, next: Look): Promise<void> {
  if (next.does === 'cut') await watcher.reconnect(urlOf(next.server));
  if (next.does === 'blink') await watcher.blink();
}

async function play(rounds: readonly Round[]): Promise<void> {
  const showId = `world-${++worlds}`;
  await stage.createShow(showId, SEATS);
  const world = new World(showId, stores, urls.at(-1) ?? '');
  const [clients, actors, watchers] = await Promise.all([
    Promise.all(Array.from({ length: CLIENTS }, (_, i) => ClientActor.join(world, urls, i))),
    Promise.all(Array.from({ length: ACTORS }, (_, i) => Actor.join(world, `user ${i}`, urlOf(i)))),
    Promise.all(Array.from({ length: WATCHERS }, (_, i) => Watcher.join(urlOf(i), showId))),
  ]);
  try {
    for (const { visits, moves, looks, delaysMs } of rounds) {
      proxies.forEach((proxy, i) => {
        proxy.delay(delaysMs[i] ?? 0);
      });
      world.beginRound();
      await Promise.all([
        ...clients.map(
          (client, i) => visits[i] && client.act(visits[i].doing, visits[i].seatIds, visits[i].how),
        ),
        ...actors.map((actor, i) => moves[i] && act(actor, moves[i])),
        ...watchers.map((watcher, i) => looks[i] && see(watcher, looks[i])),
      ]);
      await world.expectOwned();
      await stores.expectEqual(...watchers);
      for (const client of clients) {
        await client.expectSees(stores);
        await client.expectOwns(stores);
      }
      await world.expectBooked();
    }
    const history = new History(await stores.entries(showId));
    for (const { received, gaps, map } of watchers) {
      history.expectTrue(received);
      history.expectCovered(received, map.seq);
      expect(gaps).toBe(0);
    }
  } finally {
    await Promise.all([...clients, ...actors, ...watchers].map((one) => one.close()));
  }
}

describe('users at random on two servers', () => {
  it(
    'leave every map equal to the stores, and every promise kept, whenever it is quiet',
    () => explore(fc.array(round, { minLength: 4, maxLength: 12 }), play),
    timeoutMs,
  );
});
