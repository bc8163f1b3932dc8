import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { ClientFrame, ServerFrame } from '../../../protocol/index.ts';
import { Line } from './line.ts';
import type { World } from './world.ts';

export type Order = Omit<Extract<ClientFrame, { type: 'confirm' }>, 'id'>;

export const orderOf = (showId: string, seatIds: string[]): Order => ({
  ...{ type: 'confirm', showId, seatIds, requestId: randomUUID() },
});

/** `open`: not known yet. `nothing`: the attempt has done nothing, and the same id may be tried again. */
export type Outcome = 'confirmed' | 'refused' | 'nothing' | 'open';

export function outcomeOf(reply: ServerFrame | undefined): Outcome {
  if (reply?.type === 'confirmed') return 'confirmed';
  if (reply?.type !== 'error' || reply.code === 'outcome_unknown' || reply.code === 'internal') return 'open';
  return reply.code === 'busy' || reply.code === 'unavailable' || reply.code === 'rate_limited'
    ? 'nothing'
    : 'refused';
}

const RESOLVES_WITHIN_MS = 10_000;

/** Keeps the confirms whose outcome is not known, to repeat each until it is. */
export class Promises {
  readonly #world: World;
  readonly #open = new Map<string, { readonly userId: string; readonly order: Order }>();
  readonly #unknown = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** Must be called after every reply to a confirm, and after every confirm without a reply. */
  heard(userId: string, order: Order, outcome: Outcome): void {
    const { tally } = this.#world;
    const { requestId } = order;
    if (outcome === 'open' && !this.#unknown.has(requestId)) {
      this.#unknown.add(requestId);
      this.#open.set(requestId, { userId, order });
      tally.unknown += 1;
    }
    if (outcome === 'confirmed') tally.confirmed += 1;
    if (outcome !== 'confirmed' && outcome !== 'refused') return;
    if (!this.#open.delete(requestId)) return;
    if (outcome === 'confirmed') tally.unknownConfirmed += 1;
    else tally.unknownRefused += 1;
  }

  isOpen({ requestId }: Order): boolean {
    return this.#open.has(requestId);
  }

  /** To be called after the faults: repeats all of them until every outcome is known. */
  async resolve(): Promise<void> {
    const untilMs = performance.now() + RESOLVES_WITHIN_MS;
    const open = [...this.#open.values()];
    const askers = Array.from({ length: 16 }, async (_, i) => {
      for (let next = open.pop(); next; next = open.pop()) await this.#ask(next, i, untilMs);
    });
    await Promise.all(askers);
    this.#world.tally.unknownOpen = this.#open.size;
    for (const { order } of this.#open.values())
      this.#world.tally.problems.push(`nobody can say what came of ${order.requestId}`);
  }

  async #ask({ userId, order }: { userId: string; order: Order }, turn: number, untilMs: number) {
    for (let server = turn; this.isOpen(order) && performance.now() < untilMs; server++) {
      const line = await Line.open(this.#world, server % this.#world.servers.length, { userId });
      if (line !== undefined) this.heard(userId, order, outcomeOf(await line.ask(order)));
      await line?.close();
      if (this.isOpen(order)) await pause(100);
    }
  }
}
