import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { numberFromRedis } from '../kit/redis-telnet.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { openStage } from '../kit/stage.ts';
import type { BeatCounts } from '../sockets/beat-loop.ts';
import { beatsEveryS, type Size } from './size.ts';

export interface Cell {
  readonly everyS: number;
  readonly perS: number;
  readonly counts: BeatCounts;
  readonly shares: Shares;
}

export interface RoundResult {
  /** What is used while all leases exist and nothing happens. */
  readonly rest: Shares;
  readonly cells: readonly Cell[];
}

/** Plays one round, with a new server. */
export async function round(context: RoundContext, size: Size): Promise<RoundResult> {
  const { services, n, own, flags, say } = context;
  const { sessions, seatsEach, leadMs, windowMs: forMs } = size;
  const showId = `arena-${n}`;
  await createNumbered(services, showId, sessions * seatsEach);
  say(`starting the server and ${sessions} sessions`);
  const { buyers, parts } = await openStage({ services, own, flags, showIds: [showId], sessions });
  say('taking the leases');
  await buyers.call('lease', { showId, seatsEach });
  const held = () => numberFromRedis(services.redisPort, `ZCARD due:{${showId}}`);
  const wanted = await held();
  if (wanted !== sessions * seatsEach) throw new Error(`${wanted} seats are held`);
  const pause = () => new Promise((resolve) => setTimeout(resolve, forMs / 2));
  const { shares: rest } = await sharesWhile(parts, pause);
  const cells: Cell[] = [];
  for (const everyS of beatsEveryS) {
    say(`a beat every ${everyS} s`);
    const perS = sessions / everyS;
    const { result: counts, shares } = await sharesWhile(parts, () =>
      buyers.call('beat', { perS, leadMs, forMs }),
    );
    cells.push({ everyS, perS, counts, shares });
  }
  const left = await held();
  if (left !== wanted) throw new Error(`${left} seats are held after beats for ${wanted}`);
  return { rest, cells };
}
