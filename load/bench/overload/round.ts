import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { openStage, type Stage } from '../kit/stage.ts';
import type { OverloadCounts } from '../sockets/overload-loop.ts';
import { type Gauges, gaugesWhile } from './gauges.ts';
import { DEPTH_AT_MAXIMUM, loads, type Size } from './size.ts';

export interface RoundResult {
  /** Purchases per second. */
  readonly maximumPerS: number;
  readonly counts: OverloadCounts;
  readonly gauges: readonly Gauges[];
  readonly shares: Shares;
  readonly booked: number;
}

/** More than the maximum may be served for a while. */
const SPARE = 1.3;

/** One server, from its start to its end, and shows of its own. */
export async function round(context: RoundContext, size: Size): Promise<RoundResult> {
  const { services, n, own, flags, say } = context;
  const { connections, seats, leadMs } = size;
  const warmId = `warm-${n}`;
  await createNumbered(services, warmId, seats * 4);
  say('starting the server and its clients');
  const stage = await openStage({ services, own, flags, showIds: [warmId], sessions: connections + 1 });
  let from = 0;
  let booked = 0;
  const closed = async (forMs: number) => {
    const options = { showId: warmId, seats: seats * 4, connections, depth: DEPTH_AT_MAXIMUM };
    const counts = await stage.buyers.call('confirm', { ...options, from, leadMs, forMs });
    from += counts.asked;
    booked += counts.booked;
    return (counts.confirmed / counts.wallMs) * 1000;
  };
  say('warming up');
  await closed(size.warmUpMs);
  say('the maximum');
  const maximumPerS = await closed(size.maximumMs);
  const showIds = await createShows(context, size, maximumPerS);
  say(`${loads.normal * 100} % of it, ${loads.over} times it for ${size.overloadMs / 1_000} s, and again`);
  const window = await overload(stage, size, showIds, maximumPerS);
  return { maximumPerS, ...window, booked: booked + window.counts.booked };
}

/** As many as are sold at most. */
async function createShows(
  { services, n, say }: RoundContext,
  { seats, beforeMs, overloadMs, recoveryMs, afterMs }: Size,
  maximumPerS: number,
): Promise<string[]> {
  const sold = (maximumPerS * SPARE * (beforeMs + overloadMs + recoveryMs + afterMs)) / 1_000;
  const showIds = Array.from({ length: Math.ceil(sold / seats) + 1 }, (_, i) => `arena-${n}-${i}`);
  say(`making ${showIds.length} shows`);
  for (const showId of showIds) await createNumbered(services, showId, seats);
  return showIds;
}

async function overload(stage: Stage, size: Size, showIds: readonly string[], maximumPerS: number) {
  const { connections, seats, payAfterMs, beforeMs, overloadMs, recoveryMs, afterMs } = size;
  const normal = { perS: maximumPerS * loads.normal };
  const phases = [
    { ...normal, forMs: beforeMs },
    { perS: maximumPerS * loads.over, forMs: overloadMs },
    { ...normal, forMs: recoveryMs },
    { ...normal, forMs: afterMs },
  ];
  const server = { pid: stage.parts['server']?.[0] ?? 0, address: stage.address };
  const options = { showIds, seats, from: 0, payAfterMs, connections, phases };
  const { result, gauges } = await gaugesWhile(server, () =>
    sharesWhile(stage.parts, () => stage.buyers.call('overload', options)),
  );
  const { result: counts, shares } = result;
  return { counts, gauges, shares };
}
