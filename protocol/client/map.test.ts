import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SeatState, Watch } from '../client.ts';
import type { DeltaFrame, SnapshotFrame } from '../server-frames.ts';
import { type FakeSocket, fakeStage, snapshotFrame } from './fake-kit.ts';
import { SeatMap } from './seat-map.ts';

const { stage, live, pass, nextSocket } = fakeStage();

const SEATS = ['A1', 'A2', 'A3', 'A4', 'A5'];
type Taken = ReadonlyMap<string, SeatState>;

const takenOf = (map: Pick<Watch, 'stateOf'>): Record<string, SeatState> =>
  Object.fromEntries(SEATS.map((seatId) => [seatId, map.stateOf(seatId)]));

/** A show on a server that tells of it as the protocol allows, or loses what it tells. */
class FakeShow {
  epoch = 'e0';
  /** By `seq`, of the epoch that runs. */
  history: Taken[] = [new Map()];
  /** Of all epochs: what a map at this position has to show. */
  readonly truth = new Map<string, Record<string, SeatState>>();
  /** Up to where the connection was told; undefined: it watches nothing. */
  #toldTo: number | undefined;

  constructor() {
    this.#note();
  }

  get seq(): number {
    return this.history.length - 1;
  }

  change(changes: Readonly<Record<string, SeatState>>): void {
    this.history.push(new Map([...(this.history.at(-1) ?? []), ...Object.entries(changes)]));
    this.#note();
  }

  /** The store forgot, or was replaced. */
  beginAnew(): void {
    this.epoch = `e${Number(this.epoch.slice(1)) + 1}`;
    this.history = [new Map(this.history.at(-1))];
    if (this.#toldTo !== undefined) this.#toldTo = 0;
    this.#note();
  }

  /** What is new goes to nobody. */
  lose(): void {
    if (this.#toldTo !== undefined) this.#toldTo = this.seq;
  }

  /** @param overlap how much of what is known is told again */
  tell(socket: FakeSocket, overlap: number): void {
    if (this.#toldTo === undefined || this.seq === 0) return;
    const from = Math.max(1, Math.min(this.#toldTo, this.seq) + 1 - overlap);
    if (from <= this.seq) socket.receive(this.#delta(from, this.seq));
    this.#toldTo = this.seq;
  }

  tellAll(socket: FakeSocket): void {
    if (this.#toldTo === undefined) return;
    socket.receive(this.#snapshot());
    this.#toldTo = this.seq;
  }

  leave(): void {
    this.#toldTo = undefined;
  }

  answer(socket: FakeSocket, isPatient: boolean): void {
    const { since } = socket.waiting('watch') ?? {};
    if (socket.waiting('watch') === undefined) return;
    const isInReach = isPatient && since?.epoch === this.epoch && since.seq <= this.seq;
    const from = (since?.seq ?? 0) + 1;
    if (!isInReach) socket.answer('watch', this.#snapshot());
    else if (from > this.seq) socket.answer('watch', { ...this.#delta(this.seq, this.seq), changes: {} });
    else socket.answer('watch', this.#delta(from, this.seq));
    this.#toldTo = this.seq;
  }

  #delta(from: number, to: number): DeltaFrame {
    const changes: Record<string, SeatState> = {};
    for (const seatId of SEATS) {
      const states = this.history.slice(from - 1, to + 1).map((taken) => taken.get(seatId) ?? 'available');
      if (new Set(states).size > 1) changes[seatId] = states.at(-1) ?? 'available';
    }
    return { type: 'delta', showId: 'demo', epoch: this.epoch, from, to, changes };
  }

  #snapshot(): SnapshotFrame {
    const taken = [...(this.history.at(-1) ?? [])];
    const seatsIn = (state: SeatState) => taken.flatMap(([seatId, is]) => (is === state ? [seatId] : []));
    return { ...snapshotFrame(this.seq, seatsIn('held'), seatsIn('booked')), epoch: this.epoch };
  }

  #note(): void {
    const taken = this.history.at(-1);
    const states = takenOf({ stateOf: (seatId) => taken?.get(seatId) ?? 'available' });
    this.truth.set(`${this.epoch}:${this.seq}`, states);
  }
}

const state = fc.constantFrom<SeatState>('available', 'held', 'booked');
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      does: fc.constant('change'),
      seats: fc.dictionary(fc.constantFrom(...SEATS), state),
    }),
  },
  { weight: 4, arbitrary: fc.record({ does: fc.constant('tell'), overlap: fc.constantFrom(0, 0, 1, 3) }) },
  { weight: 2, arbitrary: fc.record({ does: fc.constant('answer'), isPatient: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      does: fc.constantFrom('lose', 'tellAll', 'beginAnew', 'refuse', 'drop', 'wait', 'blink'),
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

/** A connection that was broken is there again, whatever the client still has to say on it. */
async function reconnect(show: FakeShow, ms: number): Promise<void> {
  await pass(ms);
  const socket = stage.network.last;
  if (stage.client.state === 'live' || socket.waiting('hello')) return;
  show.leave();
  socket.open();
  if (socket.waiting('hello')) socket.welcome({ resumed: true });
}

async function take(show: FakeShow, watches: Watch[], next: Step): Promise<void> {
  const socket = stage.network.last;
  const isLive = stage.client.state === 'live';
  if ('seats' in next) show.change(next.seats);
  else if (next.does === 'beginAnew') show.beginAnew();
  else if (next.does === 'wait') await reconnect(show, 5_000);
  else if (!isLive) return;
  else if ('overlap' in next) show.tell(socket, next.overlap);
  else if ('isPatient' in next) show.answer(socket, next.isPatient);
  else if (next.does === 'lose') show.lose();
  else if (next.does === 'tellAll') show.tellAll(socket);
  else if (next.does === 'refuse' && socket.waiting('watch')) socket.refuse('watch', 'unavailable', 10);
  else if (next.does === 'drop') {
    socket.drop();
    show.leave();
  } else if (next.does === 'blink') {
    watches.pop()?.close();
    watches.push(stage.client.watch('demo'));
    leaveIfAsked(show, socket);
  }
}

function leaveIfAsked(show: FakeShow, socket: FakeSocket): void {
  if (!socket.waiting('unwatch')) return;
  show.leave();
  socket.answer('unwatch', { type: 'unwatched', showId: 'demo' });
}

/** The server is well again: it answers everything, and something happens by which a gap is noticed. */
async function settle(show: FakeShow): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await reconnect(show, 20_000);
    leaveIfAsked(show, stage.network.last);
    show.answer(stage.network.last, true);
  }
  show.change({ A1: 'held' });
  show.tell(stage.network.last, 0);
  show.answer(stage.network.last, true);
}

describe('a watched map', () => {
  it('shows at every position what was true there, and in the end what is', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        await live({ requestTimeoutMs: 1e9 });
        const show = new FakeShow();
        const watches = [stage.client.watch('demo')];
        // As a page does that keeps its own picture up to date.
        const drawn = new Map<string, SeatState>();
        const kept = stage.client.watch('demo');
        kept.onChange((changes) => {
          if (changes === 'reset') {
            for (const seatId of SEATS) drawn.set(seatId, kept.stateOf(seatId));
          } else for (const [seatId, state] of changes) drawn.set(seatId, state);
        });
        const check = () => {
          const { position } = kept;
          if (position === undefined) return;
          const truth = show.truth.get(`${position.epoch}:${position.seq}`);
          expect(takenOf(kept)).toEqual(truth);
          expect(Object.fromEntries([...drawn].sort())).toEqual(truth);
          const counted = (state: SeatState) =>
            SEATS.filter((seatId) => kept.stateOf(seatId) === state).length;
          expect([kept.count('held'), kept.count('booked')]).toEqual([counted('held'), counted('booked')]);
        };
        for (const next of steps) {
          await take(show, watches, next);
          check();
        }
        await settle(show);
        check();
        expect([kept.live, kept.position]).toEqual([true, { epoch: show.epoch, seq: show.seq }]);
        await stage.client.close();
      }),
      { numRuns: 400 },
    );
  });
});

describe('a gap', () => {
  const delta = (from: number, to: number, changes: Record<string, SeatState>, epoch = 'e') =>
    ({ type: 'delta', showId: 'demo', epoch, from, to, changes }) as const;

  it.each([
    ['a delta too far ahead', delta(7, 7, { A2: 'held' })],
    ['a delta of another epoch', delta(6, 6, { A2: 'held' }, 'f')],
  ])('is mended from where the map stands: %s', async (_name, frame) => {
    await live();
    const watch = stage.client.watch('demo');
    const socket = stage.network.last;
    socket.answer('watch', snapshotFrame(5));
    await watch.ready;
    const turns: boolean[] = [];
    watch.onChange(() => turns.push(watch.live));
    socket.receive(frame);
    expect(socket.waiting('watch')).toMatchObject({ since: { epoch: 'e', seq: 5 } });
    expect([watch.live, watch.stateOf('A2')]).toEqual([false, 'available']);
    // Asked once, however much more comes meanwhile.
    socket.receive(delta(8, 8, { A3: 'held' }));
    socket.answer('watch', delta(6, 8, { A1: 'booked', A2: 'held', A3: 'held' }));
    expect(socket.waiting('watch')).toBeUndefined();
    expect([...watch.seatsIn('held')]).toEqual(['A2', 'A3']);
    expect(turns).toEqual([false, false, true]);
  });

  it('folds by the table of the protocol', () => {
    const map = new SeatMap();
    expect(map.fold(delta(1, 1, {}))).toBe('gap');
    expect(map.fold(snapshotFrame(5, ['A1']))).toBe('reset');
    expect(map.fold(delta(4, 5, { A2: 'held' }))).toBe('known');
    expect(map.fold(delta(7, 7, { A2: 'held' }))).toBe('gap');
    expect(map.fold(delta(5, 6, { A1: 'held', A2: 'booked' }))).toEqual(new Map([['A2', 'booked']]));
    expect(map.position).toEqual({ epoch: 'e', seq: 6 });
  });
});

describe('watching', () => {
  it('shares one subscription, and ends it with the last', async () => {
    await live();
    const socket = stage.network.last;
    const [first, second] = [stage.client.watch('demo'), stage.client.watch('demo')];
    expect(socket.sent.filter(({ type }) => type === 'watch')).toHaveLength(1);
    first.close();
    await expect(first.ready).rejects.toMatchObject({ code: 'closed' });
    socket.answer('watch', snapshotFrame(1));
    await second.ready;
    expect(socket.waiting('unwatch')).toBeUndefined();
    second.close();
    expect(socket.waiting('unwatch')).toBeDefined();
    // Not before the server has let go: an unwatch that is served last would win.
    const third = stage.client.watch('demo');
    expect(socket.waiting('watch')).toBeUndefined();
    socket.answer('unwatch', { type: 'unwatched', showId: 'demo' });
    expect(socket.waiting('watch')).toMatchObject({ since: { epoch: 'e', seq: 1 } });
    socket.answer('watch', snapshotFrame(2));
    await third.ready;
  });

  it('says why it cannot be, and may be asked for again', async () => {
    await live();
    const refusal = { type: 'error', code: 'unknown_show', message: '', retryable: false } as const;
    const watch = stage.client.watch('demo');
    stage.network.last.answer('watch', refusal);
    await expect(watch.ready).rejects.toMatchObject({ code: 'unknown_show' });
    expect(watch.error?.code).toBe('unknown_show');
    const again = stage.client.watch('demo');
    stage.network.last.answer('watch', snapshotFrame(1));
    await again.ready;
    const errors: string[] = [];
    stage.client.on('error', ({ code }) => errors.push(code));
    stage.network.last.drop();
    (await nextSocket()).welcome();
    stage.network.last.answer('watch', refusal);
    expect([errors, again.live]).toEqual([['unknown_show'], false]);
  });
});
