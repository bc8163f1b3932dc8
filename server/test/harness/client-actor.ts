import { expect } from 'vitest';
import { type Client, connect, RowlockError, randomUuid, type Watch } from '../../../protocol/client.ts';
import { takenIn } from './client.ts';
import { ForgetfulSocket } from './forgetful-socket.ts';
import { FaultProxy } from './proxy.ts';
import type { Stores } from './stream-kit.ts';
import { LONG_MS, PROMPT_MS, type World } from './world.ts';

type Doing = 'hold' | 'confirm' | 'release' | 'checkout' | 'nothing';
/** What becomes of its connection meanwhile; `elsewhere`: it comes back to another server. */
export type Break = 'none' | 'reset' | 'elsewhere';

/** Whose connection breaks again and again waits longer each time. */
const PATIENCE_MS = 30_000;

/**
 * A user whose program is the client. What it believes to have must be so like what any other session was told, although its
 * connection breaks in the middle of what it does and nobody but the client looks after that.
 */
export class ClientActor {
  readonly name: string;
  readonly #world: World;
  readonly #client: Client;
  /** To one of the servers, for this client alone. */
  readonly #way: FaultProxy;
  readonly #urls: readonly string[];
  readonly #map: Watch;
  #at: number;

  private constructor(world: World, client: Client, way: FaultProxy, urls: readonly string[], at: number) {
    this.name = `client ${at}`;
    this.#world = world;
    this.#client = client;
    this.#way = way;
    this.#urls = urls;
    this.#at = at;
    this.#map = client.watch(world.showId);
    world.sessions.push(this);
  }

  /** @param urls of the servers; it begins at the one with this number */
  static async join(world: World, urls: readonly string[], at: number): Promise<ClientActor> {
    const way = await FaultProxy.start(portIn(urls, at));
    const client = connect(`ws://127.0.0.1:${way.port}/ws`, {
      ...{ WebSocket: ForgetfulSocket, requestTimeoutMs: PATIENCE_MS },
    });
    const actor = new ClientActor(world, client, way, urls, at);
    await actor.#map.ready;
    return actor;
  }

  get leases(): ReadonlyMap<string, unknown> {
    return this.#client.leases.get(this.#world.showId) ?? new Map();
  }

  async act(doing: Doing, seatIds: readonly string[], how: Break): Promise<void> {
    const done = this.#do(doing, seatIds);
    if (how === 'none') return done;
    const stopExpecting = this.#expectKept();
    if (how === 'elsewhere') this.#way.retarget(portIn(this.#urls, ++this.#at));
    this.#world.haunt([...this.leases.keys(), ...seatIds]);
    const isBack = new Promise<void>((resolve) => {
      this.#client.on('state', (state) => state === 'live' && resolve());
    });
    this.#way.reset();
    await Promise.all([done, isBack]);
    stopExpecting();
  }

  /** Its map shows what the stores have. */
  async expectSees(stores: Stores): Promise<void> {
    const see = async () => [this.#map.live, takenIn(this.#map), await stores.truth(this.#world.showId)];
    await expect.poll(async () => isRight(await see()), { timeout: 3_000, interval: 20 }).toBe(true);
  }

  /** What it believes to hold is what Redis has under its token: nothing that it does not know of, nothing that is gone. */
  async expectOwns(stores: Stores): Promise<void> {
    const { showId } = this.#world;
    const see = async () => ({
      redis: await stores.leasesOf(showId, this.#client.session ?? ''),
      client: [...this.leases.keys()].sort(),
    });
    // In words: what differs is told when it fails.
    const differing = async () => {
      const { redis, client } = await see();
      return sameJson(redis, client)
        ? ''
        : `${this.name} holds ${client.join()}, in Redis it is ${redis.join()}`;
    };
    await expect.poll(differing, { timeout: 4_000, interval: 20 }).toBe('');
  }

  async close(): Promise<void> {
    await this.#client.close();
    await this.#way.stop();
  }

  /** Who left a server that keeps the leases of a dead socket, and is back at once, has lost none. Until it is told to stop: of the next server that may be untrue. */
  #expectKept(): () => void {
    if (this.#urls[this.#at % this.#urls.length] !== this.#world.graceUrl) return () => undefined;
    const fromMs = performance.now();
    return this.#client.on('lease_lost', ({ seatIds, reason }) => {
      if (reason === 'not_resumed' && performance.now() - fromMs < PROMPT_MS)
        this.#world.wrongs.push(`${this.name} lost ${seatIds.join()} on coming back`);
    });
  }

  async #do(doing: Doing, seatIds: readonly string[]): Promise<void> {
    const { showId } = this.#world;
    const wanted = this.leases.size > 0 && doing !== 'hold' ? [...this.leases.keys()].slice(0, 3) : seatIds;
    switch (doing) {
      case 'hold':
        return refusedWith(
          this.#client.hold(showId, seatIds, { ttlMs: LONG_MS }),
          'seat_unavailable',
          'disconnected',
        );
      case 'release':
        return refusedWith(this.#client.release(showId, wanted));
      case 'checkout':
        return refusedWith(this.#client.checkout(showId, wanted), 'lease_lost');
      case 'confirm':
        return this.#confirm(wanted);
      case 'nothing':
    }
  }

  /** Whatever happens on the way, it ends with one of the two final words. */
  async #confirm(seatIds: readonly string[]): Promise<void> {
    const requestId = randomUuid();
    const userId = this.#client.userId ?? '';
    const request = this.#world.ask({ requestId, userId, seatIds, outcome: 'unknown', bookings: undefined });
    const confirmed = this.#client.confirm(this.#world.showId, seatIds, { requestId });
    await refusedWith(confirmed, 'seat_unavailable', 'lease_lost');
    request.outcome = (await confirmed.catch(() => undefined)) === undefined ? 'refused' : 'booked';
  }
}

const portIn = (urls: readonly string[], at: number) => Number(new URL(urls[at % urls.length] ?? '').port);
const isRight = ([isLive, seen, truth]: unknown[]): boolean => isLive === true && sameJson(seen, truth);
const sameJson = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);

async function refusedWith(call: Promise<unknown>, ...allowed: readonly string[]): Promise<void> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error !== undefined) expect(allowed).toContain(error instanceof RowlockError ? error.code : error);
}
