/* A process with clients that hold seats and book them. */
import { serve } from '../kit/served.ts';
import { type BeatCounts, BeatLoop, type BeatWindow, type Leasing, lease } from './beat-loop.ts';
import { type BurstOptions, burst, leftOver } from './burst.ts';
import { Client, type ServerAddress } from './client.ts';
import { type ConfirmCounts, ConfirmLoop, type ConfirmWindow } from './confirm-loop.ts';
import { type ContentionCounts, ContentionLoop, type ContentionWindow } from './contention-loop.ts';
import { named } from './frames.ts';
import { type HoldCounts, HoldLoop, type HoldWindow, TTL_MS } from './hold-loop.ts';
import { type IdleOptions, idleHops, idlePurchases } from './idle.ts';
import { type OverloadCounts, OverloadLoop, type OverloadWindow } from './overload-loop.ts';
import { type PacedCounts, PacedLoop, type PacedWindow } from './paced-loop.ts';
import { kinds } from './reply-reader.ts';

const OPENING = 64;
/** How many sessions release at the same time. Each has dozens of seats. */
const RELEASING = 8;

/** The last client. It watches, or is alone, so windows with a watcher have fewer connections than there are clients. */
const LAST = -1;

const clients: Client[] = [];
/** Clients that own seats after the last window. */
const used = new Set<Client>();

async function open({ count, ...address }: ServerAddress & { count: number }): Promise<void> {
  await inParallel(OPENING, Array(count).fill(address), async (at: ServerAddress) => {
    clients.push(await Client.open(at));
  });
}

function hold(window: HoldWindow): Promise<HoldCounts> {
  return new HoldLoop(taken(), window).run();
}

function confirm(window: ConfirmWindow): Promise<ConfirmCounts> {
  return new ConfirmLoop(clients, window).run();
}

function contend(window: ContentionWindow): Promise<ContentionCounts> {
  return new ContentionLoop(clients, window).run();
}

function clientAt(n: number): Client {
  const client = clients.at(n);
  if (client === undefined) throw new Error(`there is no client ${n}`);
  return client;
}

function* taken(): Generator<Client> {
  for (const client of clients) {
    used.add(client);
    yield client;
  }
}

/** One hold of one client. @returns whether it was granted */
async function holdOne({ client: n, showId, seats }: { client: number; showId: string; seats: number[] }) {
  const client = clientAt(n);
  used.add(client);
  const seatIds = seats.map(named);
  return (
    (await client.ask(JSON.stringify({ type: 'hold', id: '1', showId, seatIds, ttlMs: TTL_MS }))) ===
    kinds.held
  );
}

/** Has every client hold its seats. */
const leaseAll = (leasing: Leasing): Promise<void> =>
  inParallel(OPENING, [...clients.entries()], ([n, client]) => lease(client, n, leasing));
const beat = (window: BeatWindow): Promise<BeatCounts> => new BeatLoop(clients, window).run();

/** The last client watches while the others hold and confirm. */
async function pace(window: PacedWindow): Promise<PacedCounts> {
  const watcher = clientAt(LAST);
  await watcher.ask(JSON.stringify({ type: 'watch', id: '1', showId: window.showId }));
  const counts = await new PacedLoop(clients, window).run(watcher);
  await watcher.ask(JSON.stringify({ type: 'unwatch', id: '1', showId: window.showId }));
  return counts;
}

/** The last client watches. */
const overload = (window: OverloadWindow): Promise<OverloadCounts> =>
  new OverloadLoop(clients, clientAt(LAST), window).run();

const burstOfOne = async (options: BurstOptions) => burst(clientAt(LAST), options);
const idle = async (options: IdleOptions) => idlePurchases(clientAt(LAST), options);

/** Measures hops of another server, with a client of its own. */
async function hops({ count, ...address }: ServerAddress & { count: number }): Promise<number[]> {
  const client = await Client.open(address);
  return idleHops(client, count).finally(() => client.destroy());
}

/** Releases everything that is held in the show. @returns how many milliseconds that took */
async function free({ showId }: { showId: string }): Promise<number> {
  const fromMs = performance.now();
  await inParallel(RELEASING, [...used], async (client) => {
    client.onRead = () => undefined;
    const kind = await client.ask(JSON.stringify({ type: 'release', id: '1', showId }));
    if (kind !== kinds.released) throw new Error('what was held is not released');
  });
  used.clear();
  return performance.now() - fromMs;
}

async function inParallel<T>(lanes: number, items: readonly T[], work: (item: T) => Promise<void>) {
  const queue = items.values();
  const lane = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: lanes }, lane));
}

const handlers = {
  open,
  hold,
  holdOne,
  free,
  confirm,
  contend,
  pace,
  overload,
  idle,
  hops,
  lease: leaseAll,
  beat,
  burst: burstOfOne,
  leftOver,
};
export type Buyers = typeof handlers;
serve(handlers);
