import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { SeatState } from '../../protocol/index.ts';
import { parseEntry } from '../feed/entry.ts';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';
import type { ShowBench } from '../test/harness/show-bench.ts';
import type { DueSeat } from './requests.ts';

const seatIds = ['A1', 'A2', 'A3'];
const everybody = [session('alice'), session('bob'), session('phone', 1, 'alice')];
let kit: LeaseKit;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

const someSeats = fc.uniqueArray(fc.constantFrom(...seatIds), { minLength: 1, maxLength: 3 });
const who = fc.nat(everybody.length - 1);
/** Short enough that leases end while the other steps run. */
const shortMs = fc.integer({ min: 1, max: 12 });
const ageMs = fc.constantFrom(3, 8, 60_000);

const action = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('hold' as const), who, seats: someSeats, ttlMs: ageMs }),
  },
  fc.record({ do: fc.constant('renew' as const), who, seats: someSeats }),
  fc.record({
    do: fc.constant('release' as const),
    who,
    seats: someSeats,
    named: fc.boolean(),
    graceMs: fc.constantFrom(0, 4),
  }),
  fc.record({ do: fc.constant('checkout' as const), who, seats: someSeats, ms: ageMs }),
  fc.record({ do: fc.constant('resume' as const), who, seats: someSeats }),
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('guard' as const), who, seats: someSeats, guardMs: ageMs }),
  },
  /** Postgres commits, or refuses, the oldest confirm under way. */
  { weight: 2, arbitrary: fc.record({ do: fc.constant('decide' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('settle' as const), which: fc.nat(5), gone: fc.boolean() }),
  },
  fc.record({ do: fc.constant('refund' as const), seat: fc.constantFrom(...seatIds) }),
  /** Any version that was ever true, however late. */
  fc.record({ do: fc.constant('announce' as const), seat: fc.constantFrom(...seatIds), late: fc.nat(3) }),
  {
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('sweep' as const), fresh: fc.boolean(), ask: fc.boolean() }),
  },
  fc.record({ do: fc.constant('load' as const) }),
  fc.record({ do: fc.constant('forget' as const), seat: fc.constantFrom(...seatIds) }),
  { weight: 2, arbitrary: fc.record({ do: fc.constant('pause' as const), ms: shortMs }) },
);
type Action = typeof action extends fc.Arbitrary<infer A> ? A : never;

interface Confirm {
  readonly guardId: string;
  readonly seats: readonly { seatId: string; leaseId: string }[];
  /** Set when Postgres decided. */
  won?: boolean;
}

/** What runs around the steps: sessions, and a Postgres that decides. */
class World {
  readonly show: ShowBench;
  readonly conns = everybody.map(() => 1);
  readonly versions = new Map(seatIds.map((seatId) => [seatId, 0]));
  readonly confirms: Confirm[] = [];
  /** What an earlier look of the sweep found. */
  found: readonly DueSeat[] = [];
  #guards = 0;

  constructor(show: ShowBench) {
    this.show = show;
  }

  async run(step: Action): Promise<void> {
    const { show } = this;
    switch (step.do) {
      case 'hold':
        return this.#hold(step.who, step.seats, step.ttlMs);
      case 'renew':
        await show.renew(this.#owner(step.who), step.seats);
        return;
      case 'release':
        await show.release(this.#owner(step.who), step.seats, { named: step.named, graceMs: step.graceMs });
        return;
      case 'checkout':
        await show.checkout(this.#owner(step.who), step.seats, step.ms);
        return;
      case 'resume':
        return this.#resume(step.who, step.seats);
      case 'guard':
        return this.#guard(step.who, step.seats, step.guardMs);
      case 'decide':
        return this.#decide();
      case 'settle':
        return this.#settle(step.which, step.gone);
      case 'refund':
        if (this.#version(step.seat) % 2 === 1) this.versions.set(step.seat, this.#version(step.seat) + 1);
        return;
      case 'announce':
        return show.announce({
          seatId: step.seat,
          version: Math.max(0, this.#version(step.seat) - step.late),
        });
      case 'sweep':
        return this.#sweep(step.fresh, step.ask);
      case 'load':
        await show.load(this.#all());
        return;
      case 'forget':
        return show.loseLock(step.seat);
      case 'pause': {
        const { ends } = await show.lock(seatIds[step.ms % seatIds.length] ?? '');
        return ends !== undefined && Number(ends) < Date.now() + 20 ? show.passed(Number(ends)) : undefined;
      }
    }
  }

  #owner(which: number) {
    const owner = everybody[which];
    if (owner === undefined) throw new Error('nobody');
    return { ...owner, conn: this.conns[which] ?? 1 };
  }

  #version(seatId: string): number {
    return this.versions.get(seatId) ?? 0;
  }

  #all() {
    return [...this.versions]
      .map(([seatId, version]) => ({ seatId, version }))
      .filter(({ version }) => version > 0);
  }

  async #hold(which: number, seats: readonly string[], ttlMs: number): Promise<void> {
    const owner = this.#owner(which);
    const before = await Promise.all(seats.map((seatId) => this.show.lock(seatId)));
    const held = await this.show.hold(owner, seats, { ttlMs });
    if (!held.granted) return;
    const nowMs = await this.show.now();
    for (const { token, ends, confirming } of before.filter(({ token }) => token !== undefined)) {
      if (token === owner.token) continue;
      expect(confirming, 'nobody takes a seat from a confirm').toBeUndefined();
      expect(Number(ends), 'nobody takes a seat before its lease ended').toBeLessThanOrEqual(nowMs);
    }
  }

  async #resume(which: number, seats: readonly string[]): Promise<void> {
    const owner = this.#owner(which);
    this.conns[which] = (await this.show.adopt({ ...owner, conn: owner.conn + 1 }, seats)).conn;
  }

  async #guard(which: number, seats: readonly string[], guardMs: number): Promise<void> {
    const guardId = `g${++this.#guards}`;
    const guarded = await this.show.guard(guardId, this.#owner(which), seats, guardMs);
    if (!guarded.ok) return;
    this.confirms.push({
      guardId,
      seats: seats.map((seatId, i) => ({ seatId, leaseId: guarded.leaseIds[i] ?? '' })),
    });
  }

  #decide(): void {
    const confirm = this.confirms.find(({ won }) => won === undefined);
    if (confirm === undefined) return;
    confirm.won = confirm.seats.every(({ seatId }) => this.#version(seatId) % 2 === 0);
    if (!confirm.won) return;
    for (const { seatId } of confirm.seats) this.versions.set(seatId, this.#version(seatId) + 1);
  }

  async #settle(which: number, gone: boolean): Promise<void> {
    const decided = this.confirms.filter(({ won }) => won !== undefined);
    // Settled confirms stay in the list: what is said twice does no harm.
    const confirm = decided[which % Math.max(1, decided.length)];
    if (confirm === undefined) return;
    const seats = confirm.seats.map((seat) => ({ ...seat, version: this.#version(seat.seatId) }));
    await this.show.settle(confirm.guardId, seats, { won: confirm.won === true, gone });
  }

  async #sweep(freshly: boolean, ask: boolean): Promise<void> {
    const seats = freshly ? (await this.show.sweep()).due : this.found;
    const swept = await this.show.sweep(seats);
    this.found = swept.due;
    if (!ask || swept.ask.length === 0) return;
    const asked = seats.filter(({ seatId }) => swept.ask.includes(seatId));
    await this.show.sweep(asked.map((seat) => ({ ...seat, version: this.#version(seat.seatId) })));
  }
}

/** The states that Redis' own record composes. */
async function composed(show: ShowBench): Promise<Record<string, SeatState>> {
  const [sold, held] = await Promise.all([show.sold(), show.held()]);
  return Object.fromEntries(
    seatIds.map((seatId) => {
      if (Number(sold[seatId] ?? 0) % 2 === 1) return [seatId, 'booked'];
      return [seatId, held.includes(seatId) ? 'held' : 'available'];
    }),
  );
}

async function check(show: ShowBench): Promise<void> {
  const [published, log, seq] = await Promise.all([show.messages(), show.log(), show.seq()]);
  const messages = published.filter((message) => !message.startsWith('superseded'));
  expect(log, 'the log is what was published').toEqual(messages);
  const folded: Record<string, SeatState> = Object.fromEntries(
    seatIds.map((seatId) => [seatId, 'available']),
  );
  let at = 0;
  for (const message of messages) {
    const entry = parseEntry(message);
    expect(entry, 'seq is gapless').toMatchObject({ epoch: show.epoch, from: at + 1 });
    at = entry?.to ?? 0;
    for (const { seatId, state } of entry?.changes ?? []) folded[seatId] = state;
  }
  expect(at, 'the position is that of the last entry').toBe(seq);
  expect(folded, 'the changes tell what is').toEqual(await composed(show));
  const held = await show.held();
  for (const seatId of seatIds) {
    const { ends, token } = await show.lock(seatId);
    if (token === undefined) continue;
    expect(held, 'every lock is due some time').toContain(seatId);
    expect(Number(ends), 'the sweep does not look before the end').toBeGreaterThan(0);
  }
}

it('whatever happens: changes fold to what Redis composes, seq is gapless, the log is the feed', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
      const world = new World(await kit.show());
      for (const step of steps) {
        await world.run(step);
        await check(world.show);
      }
    }),
    { numRuns: 60, endOnFailure: false },
  );
});
