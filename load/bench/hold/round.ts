import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { numberFromRedis } from '../kit/redis-telnet.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { type Stage as Base, openStage } from '../kit/stage.ts';
import type { HoldCounts, HoldWindow } from '../sockets/hold-loop.ts';
import { commandOf, measureCeiling } from './ceiling.ts';
import { type Kind, kinds, type Size } from './size.ts';

export interface Cell {
  readonly connections: number;
  readonly depth: number;
  /** Holds that were answered per second: granted or, if contended, refused. */
  readonly holdsPerS: number;
  readonly counts: HoldCounts;
  readonly shares: Shares;
}

export interface KindResult {
  readonly kind: Kind;
  readonly ceilingPerS: number;
  readonly cells: readonly Cell[];
}

export interface RoundResult {
  readonly kinds: readonly KindResult[];
  /** Seats that were released per second between the windows. */
  readonly releasedPerS: number;
}

interface Stage extends Base {
  readonly showId: string;
  readonly released: { seats: number; ms: number };
}

/** The session that holds the contended seats. No window uses it. */
const HOLDER = -1;

/** Plays one round, with a new server. */
export async function round(context: RoundContext, size: Size): Promise<RoundResult> {
  const { services, n, own, flags, say } = context;
  const showId = `arena-${n}`;
  await createNumbered(services, showId, size.seats);
  say('starting the server and its clients');
  const base = await openStage({ services, own, flags, showIds: [showId], sessions: size.sessions });
  const stage = { ...base, showId, released: { seats: 0, ms: 0 } };
  say('warming up');
  await window(stage, windowOf(stage, size, { seatsPerHold: 1, contended: false }, 50, 4), size.warmUpMs);
  const results: KindResult[] = [];
  for (const kind of kinds) {
    say(`${kind.name}: Redis alone`);
    const ceilingPerS = await ceilingOf(stage, kind, size);
    results.push({ kind, ceilingPerS, cells: await cellsOf(stage, kind, size, say) });
  }
  const { seats, ms } = stage.released;
  return { kinds: results, releasedPerS: (seats / ms) * 1000 };
}

const windowOf = (
  { showId }: Stage,
  { seats, leadMs, windowMs }: Size,
  { seatsPerHold, contended }: Pick<Kind, 'seatsPerHold' | 'contended'>,
  connections: number,
  depth: number,
): HoldWindow => ({
  showId,
  seats,
  seatsPerHold,
  contended,
  connections,
  depth,
  leadMs,
  forMs: windowMs,
});

async function cellsOf(stage: Stage, kind: Kind, size: Size, say: (what: string) => void): Promise<Cell[]> {
  const cells: Cell[] = [];
  if (kind.contended) await holdContended(stage, kind);
  for (const connections of size.connections)
    for (const depth of size.depths) {
      say(`${kind.name}: ${connections} connections, ${depth} holds each`);
      cells.push(await window(stage, windowOf(stage, size, kind, connections, depth)));
    }
  if (kind.contended) await stage.buyers.call('free', { showId: stage.showId });
  return cells;
}

async function window(stage: Stage, options: HoldWindow, forMs = options.forMs): Promise<Cell> {
  const { buyers, parts } = stage;
  const { result: counts, shares } = await sharesWhile(parts, () =>
    buyers.call('hold', { ...options, forMs }),
  );
  await check(stage, options, counts);
  const { connections, depth, contended } = options;
  const answered = contended ? (counts.refused['seat_unavailable'] ?? 0) : counts.granted;
  return { connections, depth, holdsPerS: (answered / counts.wallMs) * 1000, counts, shares };
}

/** Checks that every hold had the right answer and that Redis has what was granted. Then releases the seats. */
async function check(stage: Stage, { contended }: HoldWindow, counts: HoldCounts): Promise<void> {
  const { granted, refused, seatsTaken, exhausted } = counts;
  const unwanted = Object.entries(refused).filter(([code]) => !(contended && code === 'seat_unavailable'));
  if (unwanted.length > 0 || (contended && granted > 0) || (granted === 0 && !contended) || exhausted)
    throw new Error(`holds came out as they should not: ${JSON.stringify(counts)}`);
  if (contended) return;
  const { buyers, services, showId, released } = stage;
  const held = () => numberFromRedis(services.redisPort, `ZCARD due:{${showId}}`);
  const heldSeats = await held();
  if (heldSeats !== seatsTaken) throw new Error(`${seatsTaken} seats were granted and ${heldSeats} are held`);
  released.ms += await buyers.call('free', { showId });
  released.seats += seatsTaken;
  const left = await held();
  if (left !== 0) throw new Error(`${left} seats are held after all were released`);
}

async function ceilingOf({ services, buyers, showId }: Stage, kind: Kind, size: Size): Promise<number> {
  const { contended, seatsPerHold } = kind;
  const ceiling = { redisPort: services.redisPort, showId };
  const holding = { showId, seats: Array.from({ length: seatsPerHold }, (_, i) => i) };
  if (contended) await buyers.call('holdOne', { ...holding, client: HOLDER });
  const command = await commandOf(ceiling, 0, async () => {
    const granted = await buyers.call('holdOne', { ...holding, client: 0 });
    if (granted === contended) throw new Error('the hold of the ceiling came out as it should not');
  });
  const holds = Math.round(size.ceilingHolds / seatsPerHold);
  const perS = await measureCeiling(ceiling, { command, contended, holds });
  await buyers.call('free', { showId });
  return perS;
}

async function holdContended({ buyers, showId }: Stage, { seatsPerHold }: Kind): Promise<void> {
  const seats = Array.from({ length: seatsPerHold }, (_, i) => i);
  const granted = await buyers.call('holdOne', { showId, client: HOLDER, seats });
  if (!granted) throw new Error('the contended seat is not free');
}
