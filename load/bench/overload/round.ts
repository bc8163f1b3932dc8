import { type Shares, sharesWhile } from '../kit/cpu.ts';
import { createNumbered, type RoundContext } from '../kit/rounds.ts';
import { openStage, type Stage } from '../kit/stage.ts';
import type { OverloadCounts, SpanCounts } from '../sockets/overload-loop.ts';
import { type Gauges, gaugesWhile } from './gauges.ts';
import { DEPTH_AT_MAXIMUM, loads, MOST_REFUSED, type Size, trials } from './size.ts';

export interface RoundResult {
  /** Purchases per second in a closed loop. */
  readonly closedPerS: number;
  /** The rate of which the normal load (a share of it) can be sustained. */
  readonly maximumPerS: number;
  readonly counts: OverloadCounts;
  readonly gauges: readonly Gauges[];
  readonly shares: Shares;
  readonly booked: number;
}

/** The server may serve more than the maximum for a while, so there are more seats. */
const SPARE = 1.3;

/** Plays one round, with a new server and new shows. */
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
  const closedPerS = await closed(size.maximumMs);
  const showIds = await createShows(context, size, closedPerS);
  say(`what of ${Math.round(closedPerS)}/s is sustained`);
  const sustained = await findSustained(stage, size, showIds, closedPerS);
  const { maximumPerS } = sustained;
  say(`${loads.normal * 100} % of it, ${loads.over} times it for ${size.overloadMs / 1_000} s, and again`);
  const window = await overload(stage, size, showIds, sustained);
  booked += sustained.booked + window.counts.booked;
  return { closedPerS, maximumPerS, ...window, booked };
}

/** Creates enough shows for all that can be sold. */
async function createShows(
  { services, n, say }: RoundContext,
  { seats, trialMs, beforeMs, overloadMs, recoveryMs, afterMs }: Size,
  closedPerS: number,
): Promise<string[]> {
  const forMs = trials.most * trialMs + beforeMs + overloadMs + recoveryMs + afterMs;
  const sold = (closedPerS * SPARE * forMs) / 1_000;
  const showIds = Array.from({ length: Math.ceil(sold / seats) + 1 }, (_, i) => `arena-${n}-${i}`);
  say(`making ${showIds.length} shows`);
  for (const showId of showIds) await createNumbered(services, showId, seats);
  return showIds;
}

interface Sustained {
  readonly maximumPerS: number;
  /** The first place that is not sold yet. */
  readonly from: number;
  readonly booked: number;
}

/** Lowers the maximum from what the closed loop reached, until the normal load is served. */
async function findSustained(
  stage: Stage,
  { connections, seats, payAfterMs, trialMs }: Size,
  showIds: readonly string[],
  closedPerS: number,
): Promise<Sustained> {
  let maximumPerS = closedPerS;
  let [from, booked] = [0, 0];
  for (let trial = 0; trial < trials.most; trial++) {
    const phases = [{ perS: maximumPerS * loads.normal, forMs: trialMs }];
    const options = { showIds, seats, from, payAfterMs, connections, phases };
    const counts = await stage.buyers.call('overload', options);
    from = counts.nextPlace;
    booked += counts.booked;
    if (counts.phases.every((span) => refusedShare(span) <= MOST_REFUSED)) break;
    maximumPerS *= trials.share;
  }
  return { maximumPerS, from, booked };
}

/** The share of the purchases that was refused. */
export const refusedShare = ({ begun, refused }: SpanCounts): number =>
  Object.values(refused).reduce((sum, count) => sum + count, 0) / begun;

async function overload(
  stage: Stage,
  size: Size,
  showIds: readonly string[],
  { maximumPerS, from }: Sustained,
) {
  const { connections, seats, payAfterMs, beforeMs, overloadMs, recoveryMs, afterMs } = size;
  const normal = { perS: maximumPerS * loads.normal };
  const phases = [
    { ...normal, forMs: beforeMs },
    { perS: maximumPerS * loads.over, forMs: overloadMs },
    { ...normal, forMs: recoveryMs },
    { ...normal, forMs: afterMs },
  ];
  const server = { pid: stage.parts['server']?.[0] ?? 0, address: stage.address };
  const options = { showIds, seats, from, payAfterMs, connections, phases };
  const { result, gauges } = await gaugesWhile(server, () =>
    sharesWhile(stage.parts, () => stage.buyers.call('overload', options)),
  );
  const { result: counts, shares } = result;
  return { counts, gauges, shares };
}
