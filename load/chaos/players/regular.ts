import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type Client, connect, type ErrorCode, RowlockError, type Watch } from '../../../protocol/client.ts';
import { showSeatsResponse } from '../../../protocol/index.ts';
import { recordedSocket } from '../../flows/recorded-socket.ts';
import { type Order, type Outcome, orderOf, type Promises } from './promises.ts';
import type { Stock } from './stock.ts';
import type { World } from './world.ts';

/** Longer than the checker allows for a reply, so that it sees each reply that is missing. Otherwise the client would repeat first. */
const REQUEST_WITHIN_MS = 11_000;
const CONFIRM_WITHIN_MS = 13_000;
/**
 * How long after the faults its maps may take to be right, and it may take to know what became of every lease. A client that
 * failed to connect four times in a row waits up to 15 s before it tries again (`PAUSES` of the client's connector).
 */
const RIGHT_WITHIN_MS = 15_000 + 6_000;
const CALL_WITHIN_MS = 2_000;

/** How a hold, release or checkout may fail while stores and servers go away. Any other failure is a problem. */
const MAY_END_WITH: ReadonlySet<string> = new Set<ErrorCode>([
  ...(['seat_unavailable', 'lease_lost', 'busy', 'unavailable', 'rate_limited'] as const),
  ...(['disconnected', 'no_reply', 'outcome_unknown'] as const),
]);
const NOTHING: ReadonlySet<string> = new Set<ErrorCode>(['busy', 'unavailable', 'rate_limited']);

/**
 * A user of the client library, which by itself sends heartbeats, reconnects, repeats requests and mends its maps. At the end its
 * maps and leases must agree with the server.
 */
export class Regular {
  readonly #world: World;
  readonly #promises: Promises;
  readonly #server: string;
  readonly #userId = randomUUID();
  readonly #client: Client;
  readonly #maps: readonly Watch[];
  /** How often the connection was lost. */
  #losses = 0;
  #isLive = false;

  constructor(world: World, promises: Promises, server: number) {
    this.#world = world;
    this.#promises = promises;
    this.#server = world.servers[server] ?? '';
    this.#client = connect(this.#server, {
      WebSocket: recordedSocket({
        recorder: world.recorder,
        name: () => `${world.prefix}-${++world.sockets}`,
        onOpen: (socket) => world.lines.add(socket),
        onSent: () => world.tally.operations++,
        onClosed: (socket) => world.lines.delete(socket),
        onWrong: (what) => world.tally.problems.push(what),
      }),
      ...{ userId: this.#userId, requestTimeoutMs: REQUEST_WITHIN_MS, confirmTimeoutMs: CONFIRM_WITHIN_MS },
    });
    this.#client.on('state', (state) => {
      this.#isLive = state === 'live';
      if (!this.#isLive) this.#losses += 1;
    });
    this.#maps = world.stocks.map(({ showId }) => this.#client.watch(showId));
    for (const { ready } of this.#maps) ready.catch((error) => this.#problem(`a watch ended: ${error}`));
  }

  async run(): Promise<void> {
    const { random, stocks } = this.#world;
    while (!this.#world.ending) {
      await pause(random.between(0, 20));
      await this.#want(random.pick(stocks));
    }
    await this.#judge();
    await this.#client.close();
  }

  async #want(stock: Stock): Promise<void> {
    const { random, tally } = this.#world;
    const { showId } = stock;
    const seatIds = stock.pick(1 + random.below(3), random);
    if (!(await this.#try('hold', this.#client.hold(showId, seatIds)))) return void (await pause(20));
    tally.granted += 1;
    await pause(random.between(0, 30));
    const whim = random.next();
    if (whim < 0.4) await this.#buy(stock, seatIds);
    else if (whim < 0.8) await this.#try('release', this.#client.release(showId));
    else if (whim < 0.9) {
      await this.#try('checkout', this.#client.checkout(showId, seatIds));
      await this.#buy(stock, seatIds);
    } else await pause(random.between(0, 1_500));
  }

  async #buy(stock: Stock, seatIds: string[]): Promise<void> {
    const order = orderOf(stock.showId, seatIds);
    const outcome = await this.#confirm(order);
    this.#promises.heard(this.#userId, order, outcome);
    if (outcome === 'confirmed') for (const seatId of seatIds) stock.sold(seatId);
  }

  async #confirm({ showId, seatIds, requestId }: Order): Promise<Outcome> {
    const code = await this.#codeOf('confirm', this.#client.confirm(showId, seatIds, { requestId }));
    if (code === undefined) return 'confirmed';
    if (code === 'outcome_unknown' || code === 'strange') return 'open';
    return NOTHING.has(code) || code === 'no_reply' ? 'nothing' : 'refused';
  }

  async #try(what: string, call: Promise<unknown>): Promise<boolean> {
    return (await this.#codeOf(what, call)) === undefined;
  }

  /** How the call failed; undefined: it succeeded. While the connection is open, every call must be answered. */
  async #codeOf(what: string, call: Promise<unknown>): Promise<ErrorCode | 'strange' | undefined> {
    const losses = this.#losses;
    const wasLive = this.#isLive;
    try {
      await call;
      return undefined;
    } catch (error) {
      const code = error instanceof RowlockError ? error.code : 'strange';
      const isUnexplained = code === 'no_reply' && wasLive && this.#losses === losses;
      if (isUnexplained || !MAY_END_WITH.has(code)) this.#problem(`${what} ended with ${String(error)}`);
      return code;
    }
  }

  async #judge(): Promise<void> {
    for (const map of this.#maps) {
      const isRight = await within(RIGHT_WITHIN_MS, () => this.#isRight(map));
      if (!isRight) this.#problem(`the client's map of ${map.showId} is not the server's`);
    }
    for (const { showId } of this.#world.stocks) await this.#giveAllBack(showId);
  }

  async #isRight(map: Watch): Promise<boolean> {
    const url = new URL(`/shows/${map.showId}/seats`, this.#server.replace(/^ws/, 'http'));
    const answer = await fetch(url, { signal: AbortSignal.timeout(CALL_WITHIN_MS) }).catch(() => undefined);
    const truth = showSeatsResponse.safeParse(await answer?.json().catch(() => undefined));
    if (!truth.success || !map.live) return false;
    const { epoch, seq, held, booked } = truth.data;
    const same = (state: 'held' | 'booked', seatIds: readonly string[]) =>
      seatIds.length === map.count(state) && seatIds.every((seatId) => map.stateOf(seatId) === state);
    const isHere = map.position?.epoch === epoch && map.position.seq === seq;
    return isHere && same('held', held) && same('booked', booked);
  }

  /** Releases all leases. The server must release every one that the client believes to have, or have told it that it is lost. */
  async #giveAllBack(showId: string): Promise<void> {
    const mine = () => [...(this.#client.leases.get(showId)?.keys() ?? [])];
    if (mine().length > 0) await this.#try('the last release', this.#client.release(showId, mine()));
    if (!(await within(RIGHT_WITHIN_MS, () => mine().length === 0)))
      this.#problem(`the client believes to hold ${mine()}`);
    const { seatIds } = await this.#client.release(showId).catch(() => ({ seatIds: [] }));
    if (seatIds.length > 0) this.#problem(`the client did not know that it held ${seatIds}`);
  }

  #problem(what: string): void {
    this.#world.tally.problems.push(what);
  }
}

async function within(ms: number, isSo: () => boolean | Promise<boolean>): Promise<boolean> {
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    if (await isSo()) return true;
    await pause(50);
  }
  return false;
}
