import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { percentile } from '../kit/numbers.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { adminToken, openStage, type Stage } from '../kit/stage.ts';
import type { ContentionCounts } from '../sockets/contention-loop.ts';
import { offers, type Size, seatCounts } from './size.ts';
import { type StrangerResult, strangers } from './stranger.ts';

/** The part of the counts that is written to the results. Not all latencies are. */
export interface Cell {
  readonly seats: number;
  /** Offered requests per second; undefined: in a closed loop. */
  readonly offeredPerS: number | undefined;
  readonly answeredPerS: number;
  readonly wonShare: number;
  readonly winnersP50Ms: number;
  readonly winnersP99Ms: number;
  readonly losersP50Ms: number;
  readonly losersP99Ms: number;
  readonly refused: ContentionCounts['refused'];
  readonly booked: number;
  readonly shares: Shares;
}

export interface RoundResult {
  readonly cells: readonly Cell[];
  readonly offered: readonly Cell[];
  readonly stranger: StrangerResult;
  readonly booked: number;
}

/** Refusals that are expected when two requests of one session want the same seat, or when there is more load than can be served. */
const EXPECTED = new Set(['busy', 'lease_lost', 'seat_unavailable']);

/** Plays one round, with a new server and new shows. */
export async function round(context: RoundContext, size: Size): Promise<RoundResult> {
  const { services, n, own, flags, say } = context;
  const showOf = (seats: number) => `few-${seats}-${n}`;
  const burstId = `hall-${n}`;
  for (const seats of seatCounts) await createNumbered(services, showOf(seats), seats);
  await createNumbered(services, burstId, size.burst * 4 * (size.strangers + 1));
  say('starting the server and its clients');
  const showIds = [...seatCounts.map(showOf), burstId];
  const stage = await openStage({ services, own, flags, showIds, sessions: size.connections + 1 });
  const contend = (seats: number, forMs: number, offeredPerS?: number) =>
    window(stage, size, { showId: showOf(seats), seats, forMs, offeredPerS });
  say('warming up');
  const warmUp = await contend(seatCounts[1], size.warmUpMs);
  const cells: Cell[] = [];
  for (const seats of seatCounts) {
    say(`${seats} seats`);
    cells.push(await contend(seats, size.windowMs));
  }
  const offered: Cell[] = [];
  for (const times of offers) {
    say(`${seatCounts[0]} seats, ${times} times the maximum offered`);
    offered.push(await contend(seatCounts[0], size.windowMs, (cells[0]?.answeredPerS ?? 0) * times));
  }
  say('a stranger locks a row');
  const { booked, ...stranger } = await strangers(context, stage, size, burstId);
  const confirmed = [warmUp, ...cells, ...offered].reduce((sum, cell) => sum + cell.booked, 0);
  return { cells, offered, stranger, booked: booked + confirmed };
}

async function window(
  { buyers, parts, address }: Stage,
  { connections, leadMs }: Size,
  {
    showId,
    seats,
    forMs,
    offeredPerS,
  }: { showId: string; seats: number; forMs: number; offeredPerS: number | undefined },
): Promise<Cell> {
  const options = { showId, seats, connections, leadMs, forMs, address, adminToken };
  const { result: counts, shares } = await sharesWhile(parts, () =>
    buyers.call('contend', { ...options, ...(offeredPerS === undefined ? {} : { offeredPerS }) }),
  );
  const { winnersMs, losersMs, refused, answered, wallMs, booked } = counts;
  if (Object.keys(refused).some((code) => !EXPECTED.has(code)))
    throw new Error(`requests came out as they should not: ${JSON.stringify(refused)}`);
  return {
    seats,
    offeredPerS,
    answeredPerS: (answered / wallMs) * 1000,
    wonShare: winnersMs.length / (winnersMs.length + losersMs.length),
    winnersP50Ms: percentile(winnersMs, 0.5),
    winnersP99Ms: percentile(winnersMs, 0.99),
    losersP50Ms: percentile(losersMs, 0.5),
    losersP99Ms: percentile(losersMs, 0.99),
    refused,
    booked,
    shares,
  };
}
