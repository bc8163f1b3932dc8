import { type Child, startChild } from '../kit/child.ts';
import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { numberFromRedis } from '../kit/redis-telnet.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { type Stage as Base, openStage } from '../kit/stage.ts';
import type { ConfirmCounts } from '../sockets/confirm-loop.ts';
import type { Direct, DirectCounts, DirectWindow } from './direct.ts';
import { callsInFlight, classical, type Size } from './size.ts';

export interface Cell {
  readonly connections: number;
  readonly depth: number;
  /** Seats that were held and confirmed per second. */
  readonly perS: number;
  readonly counts: ConfirmCounts;
  readonly shares: Shares;
}

export interface Beside {
  readonly counts: DirectCounts;
  readonly shares: Shares;
}

export interface RoundResult {
  readonly cells: readonly Cell[];
  readonly classical: Beside;
  /** One entry for each number of calls under way. */
  readonly batches: readonly Beside[];
  /** The number of booked seats, for the check of the tables. */
  readonly booked: number;
}

interface Stage extends Base {
  readonly showId: string;
  readonly direct: Child<Direct>;
}

/** Plays one round, with a new server and new shows. */
export async function round(context: RoundContext, size: Size): Promise<RoundResult> {
  const { services, n, own, flags, say } = context;
  const showId = `arena-${n}`;
  const besideId = `hall-${n}`;
  await createNumbered(services, showId, size.seats);
  await createNumbered(services, besideId, size.directSeats);
  say('starting the server and its clients');
  const sessions = Math.max(...size.connections);
  const base = await openStage({ services, own, flags, showIds: [showId], sessions });
  const direct = own.opened(startChild<Direct>({ script: 'load/bench/confirm/direct.ts' }), (c) => c.stop());
  const stage = { ...base, showId, direct };
  say('warming up');
  const warmUp = await window(stage, size, { connections: 50, depth: 4, from: 0, forMs: size.warmUpMs });
  const cells = await cellsOf(stage, size, warmUp.counts.asked, say);
  const beside = await besideOf(stage, size, besideId, say);
  const all = [...cells, warmUp].map(({ counts }) => counts.booked);
  const others = [beside.classical, ...beside.batches].map(({ counts }) => counts.booked);
  return { cells, ...beside, booked: [...all, ...others].reduce((sum, booked) => sum + booked, 0) };
}

async function cellsOf(
  stage: Stage,
  size: Size,
  asked: number,
  say: (what: string) => void,
): Promise<Cell[]> {
  const cells: Cell[] = [];
  let from = asked;
  for (const connections of size.connections)
    for (const depth of size.depths) {
      say(`${connections} connections, ${depth} purchases each`);
      const cell = await window(stage, size, { connections, depth, from, forMs: size.windowMs });
      from += cell.counts.asked;
      cells.push(cell);
    }
  return cells;
}

async function window(
  { services, buyers, parts, showId }: Stage,
  { seats, leadMs }: Size,
  { connections, depth, from, forMs }: { connections: number; depth: number; from: number; forMs: number },
): Promise<Cell> {
  const options = { showId, seats, connections, depth, from, leadMs, forMs };
  const { result: counts, shares } = await sharesWhile(parts, () => buyers.call('confirm', options));
  const { confirmed, refused, booked, asked, wallMs } = counts;
  if (booked !== asked || confirmed === 0 || Object.keys(refused).length > 0)
    throw new Error(`confirms came out as they should not: ${JSON.stringify(counts)}`);
  const left = await numberFromRedis(services.redisPort, `ZCARD due:{${showId}}`);
  if (left !== 0) throw new Error(`${left} seats are held after all were confirmed`);
  return { connections, depth, perS: (confirmed / wallMs) * 1000, counts, shares };
}

/** The measurements without the server, which is idle meanwhile. */
async function besideOf(
  { services, parts, direct }: Stage,
  { directSeats: seats, windowMs, batch }: Size,
  showId: string,
  say: (what: string) => void,
): Promise<Pick<RoundResult, 'classical' | 'batches'>> {
  const { databaseUrl } = services;
  const { postgres = [] } = parts;
  const processes = { postgres, client: [direct.pid] };
  let from = 0;
  const measured = async (call: (options: DirectWindow) => Promise<DirectCounts>) => {
    // A longer lead, because connections and statements are new, while the server is warmed up already.
    const options = { databaseUrl, showId, seats, from, leadMs: windowMs / 2, forMs: windowMs };
    const { result: counts, shares } = await sharesWhile(processes, () => call(options));
    from += counts.booked;
    return { counts, shares };
  };
  say('the classical transaction');
  const usual = await measured((options) => direct.call('classical', { ...options, ...classical }));
  const batches: Beside[] = [];
  for (const inFlight of callsInFlight) {
    say(`the confirm function alone, ${inFlight} calls at a time`);
    batches.push(await measured((options) => direct.call('batches', { ...options, inFlight, batch })));
  }
  return { classical: usual, batches };
}
