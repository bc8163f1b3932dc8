import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ServerFrame } from '../../../protocol/index.ts';
import { Line } from './line.ts';
import { type Order, type Outcome, orderOf, outcomeOf, type Promises } from './promises.ts';
import type { Stock } from './stock.ts';
import { confirmTwice } from './twin.ts';
import type { World } from './world.ts';

const REFUND_WITHIN_MS = 5_000;
/** How often a buyer repeats a confirm at once. If its outcome is still open then, it is asked for again at the end of the run. */
const REPEATS = 4;

/** A user who buys, hesitates, gives up, disconnects, comes back and gets refunds, until the run ends. */
export class Buyer {
  readonly #world: World;
  readonly #promises: Promises;
  readonly #userId = randomUUID();
  readonly #leases = new Map<string, Set<string>>();
  #line: Line | undefined;
  #session: string | undefined;
  #server: number;

  constructor(world: World, promises: Promises, server: number) {
    this.#world = world;
    this.#promises = promises;
    this.#server = server;
  }

  async run(): Promise<void> {
    const { random } = this.#world;
    while (!this.#world.ending) {
      await pause(random.between(0, 12));
      const line = await this.#connected();
      if (line !== undefined) await this.#want(line, random.pick(this.#world.stocks));
    }
    await this.#line?.close();
  }

  async #connected(): Promise<Line | undefined> {
    if (this.#line?.isOpen) return this.#line;
    const { random, servers } = this.#world;
    const leases = [...this.#leases]
      .filter(([, seatIds]) => seatIds.size > 0)
      .map(([showId, seatIds]) => ({ showId, seatIds: [...seatIds] }));
    const session = random.chance(0.7) ? this.#session : undefined;
    const resume = session === undefined ? {} : { session, leases };
    this.#line = await Line.open(
      this.#world,
      this.#server,
      { userId: this.#userId, ...resume },
      { hears: (frame) => this.#hears(frame) },
    );
    this.#leases.clear();
    if (this.#line === undefined) {
      this.#server = (this.#server + 1) % servers.length;
      await pause(random.between(20, 80));
      return undefined;
    }
    this.#session = this.#line.welcome.session;
    for (const { showId, seatIds } of this.#line.welcome.leases) this.#leases.set(showId, new Set(seatIds));
    return this.#line;
  }

  async #want(line: Line, stock: Stock): Promise<void> {
    const { random, tally } = this.#world;
    const { showId } = stock;
    const kept = this.#leases.get(showId);
    const seatIds = kept && kept.size > 0 ? [...kept].slice(0, 3) : stock.pick(1 + random.below(3), random);
    const reply = await line.ask({ type: 'hold', showId, seatIds });
    if (reply?.type !== 'held') return this.#refused(stock, reply);
    tally.granted += 1;
    this.#leases.set(showId, new Set([...(kept ?? []), ...seatIds]));
    await this.#hesitate(line);
    const whim = random.next();
    if (whim < 0.35) await this.#buy(line, stock, seatIds);
    else if (whim < 0.75) await this.#giveBack(line, showId, seatIds);
    else if (whim < 0.8) {
      await line.ask({ type: 'checkout', showId, seatIds });
      await this.#buy(line, stock, seatIds);
    } else if (whim < 0.83) await line.vanish();
    else if (whim < 0.86) await line.close();
    // Otherwise the seats are kept, and may be wanted again.
  }

  async #hesitate(line: Line): Promise<void> {
    const { random } = this.#world;
    for (let beats = random.below(4); beats > 0 && line.isOpen; beats--) {
      const reply = await line.ask({ type: 'heartbeat' });
      if (reply?.type === 'renewed')
        for (const { showId, seatIds } of reply.lost) this.#forget(showId, seatIds);
      await pause(random.between(0, 10));
    }
  }

  async #refused(stock: Stock, reply: ServerFrame | undefined): Promise<void> {
    if (reply?.type !== 'error') return;
    if (reply.code === 'seat_unavailable') this.#sold(stock, reply.conflicts);
    else await pause(50);
  }

  async #giveBack(line: Line, showId: string, seatIds: readonly string[]): Promise<void> {
    const reply = await line.ask({ type: 'release', showId, seatIds: [...seatIds] });
    if (reply?.type === 'released') this.#forget(showId, seatIds);
  }

  async #buy(line: Line, stock: Stock, seatIds: string[]): Promise<void> {
    const { random, twinsPercent } = this.#world;
    const order = orderOf(stock.showId, seatIds);
    const twin =
      random.chance(twinsPercent / 100) && line.isOpen ? confirmTwice(this.#world, line, order) : undefined;
    const reply = await line.ask(order);
    const outcome = this.#heard(stock, order, reply);
    if (twin !== undefined) await this.#compare(order, reply, await twin);
    await this.#insist(stock, order, outcome);
    if (random.chance(0.2)) await this.#repeat(stock, order);
    if (random.chance(0.15)) await this.#refund(order);
  }

  /** Usually repeats an attempt with an open outcome, and every second one that has done nothing. */
  async #insist(stock: Stock, order: Order, first: Outcome): Promise<void> {
    const { random } = this.#world;
    let outcome = first;
    for (let turn = 0; turn < REPEATS && (outcome === 'open' || outcome === 'nothing'); turn++) {
      if (outcome === 'nothing' && !this.#promises.isOpen(order) && random.chance(0.5)) return;
      await pause(random.between(20, 200));
      outcome = await this.#repeat(stock, order);
    }
  }

  async #repeat(stock: Stock, order: Order): Promise<Outcome> {
    const line = await this.#connected();
    // Nothing was sent now, so the outcome is what it was before.
    if (line === undefined) return this.#promises.isOpen(order) ? 'open' : 'nothing';
    return this.#heard(stock, order, await line.ask(order));
  }

  #heard(stock: Stock, order: Order, reply: ServerFrame | undefined): Outcome {
    const outcome = outcomeOf(reply);
    this.#promises.heard(this.#userId, order, outcome);
    if (outcome === 'confirmed') for (const seatId of order.seatIds) stock.sold(seatId);
    if (reply?.type === 'error' && reply.code === 'seat_unavailable') this.#sold(stock, reply.conflicts);
    if (outcome === 'confirmed' || outcome === 'refused') this.#forget(order.showId, order.seatIds);
    return outcome;
  }

  /** If both were confirmed, exactly one of them must be a replay. */
  async #compare(order: Order, reply: ServerFrame | undefined, twin: { replayed: boolean } | undefined) {
    if (reply?.type !== 'confirmed' || twin === undefined) return;
    this.#world.tally.twins += 1;
    // Two that meet in one server share one answer, and so are both replays or both not. These two were on different servers.
    if (reply.replayed === twin.replayed)
      this.#world.tally.problems.push(`${order.requestId} on two servers: replayed ${reply.replayed}, twice`);
  }

  async #refund({ requestId }: Order): Promise<void> {
    const server = this.#world.servers[this.#server] ?? '';
    const url = new URL(`/bookings/${requestId}`, server.replace(/^ws/, 'http'));
    const headers = { authorization: `Bearer ${this.#world.adminToken}` };
    const signal = AbortSignal.timeout(REFUND_WITHIN_MS);
    const answer = await fetch(url, { method: 'DELETE', headers, signal }).catch(() => undefined);
    await answer?.arrayBuffer().catch(() => undefined);
  }

  #hears(frame: ServerFrame): void {
    if (frame.type === 'lease_lost') this.#forget(frame.showId, frame.seatIds);
    // It will reconnect to the other server and resume its leases there.
    if (frame.type === 'draining') this.#server = (this.#server + 1) % this.#world.servers.length;
  }

  #sold(stock: Stock, conflicts: readonly { seatId: string; state: string }[]): void {
    for (const { seatId, state } of conflicts) if (state === 'booked') stock.sold(seatId);
  }

  #forget(showId: string, seatIds: readonly string[]): void {
    for (const seatId of seatIds) this.#leases.get(showId)?.delete(seatId);
  }
}
