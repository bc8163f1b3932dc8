import { replyTimes } from '../../server/reply-times.ts';
import { percentile } from '../bench/kit/numbers.ts';
import { times } from './ground/server-stand.ts';
import type { Paces } from './players/pace.ts';
import type { Asked, Tally } from './players/tally.ts';

/** The result of a check that no history allows: a problem, a reason why it could not be judged, or undefined if all is well. */
export type Judged = { readonly problem: string } | { readonly notJudged: string } | undefined;

const { redisTimeoutMs, statementTimeoutMs } = times;
const { helloMs, holdMs, confirmMs, watchMs, unknownShowMs: catalogueMs } = replyTimes(times);
/** If Redis has forgotten a show, its next epoch comes first: the bookings are read from PostgreSQL and written to Redis in two steps. */
const rotationMs = statementTimeoutMs + 2 * redisTimeoutMs + holdMs;

/** Within what time each frame must be answered, by the configuration of the servers. */
export const bounds = ({
  forgets,
}: {
  readonly forgets?: boolean | undefined;
}): Readonly<Record<Asked, number>> => {
  const begunMs = forgets ? rotationMs : 0;
  const stepMs = holdMs + begunMs;
  return {
    hello: helloMs + begunMs,
    watch: watchMs,
    unwatch: catalogueMs,
    ...{ hold: stepMs, heartbeat: stepMs, release: stepMs, checkout: stepMs },
    confirm: confirmMs + begunMs,
  };
};

/** For sending a frame, its way, and recording it, by three processes that share a busy machine. */
const SLACK_MS = 250;
const PROCESSES = 3;
/** If timers are this late, the machine is too busy for any judgement. */
const MAX_STALL_MS = 250;

const busy = (stallMs: number): Judged =>
  stallMs > MAX_STALL_MS
    ? { notJudged: `the machine was busy: a clock was late by ${Math.round(stallMs)} ms` }
    : undefined;

const asked = Object.keys(bounds({})) as Asked[];

/**
 * @param pausedMs how long the servers themselves were stopped
 * @param stallMs how late a timer of the players was at most
 */
export function judgeBounds(
  fault: { readonly forgets?: boolean | undefined },
  slowestMs: Tally['slowestMs'],
  { pausedMs, stallMs }: { pausedMs: number; stallMs: number },
): Judged {
  const allowed = bounds(fault);
  const spareMs = SLACK_MS + pausedMs + PROCESSES * stallMs;
  const told = asked.flatMap((what) => {
    const tookMs = slowestMs[what] ?? 0;
    return tookMs > allowed[what] + spareMs
      ? [`a ${what} took ${Math.round(tookMs)} ms of ${allowed[what]}`]
      : [];
  });
  if (told.length === 0) return undefined;
  return busy(stallMs) ?? { problem: `${told.join(', ')} and ${Math.round(spareMs)} to spare` };
}

/** Within this `readyz` must say that a store is away. */
const TRUTH_WITHIN_MS = 2_000;

/** @param tookMs from the moment at which a store went away until `readyz` said so */
export function judgeTruth(tookMs: number, stallMs: number): Judged {
  if (tookMs <= TRUTH_WITHIN_MS + SLACK_MS + PROCESSES * stallMs) return undefined;
  return busy(stallMs) ?? { problem: `${Math.round(tookMs)} ms instead of ${TRUTH_WITHIN_MS}` };
}

/**
 * @param tookMs from the moment at which clients were cut off until others saw the last of their seats free
 * @param livesMs how long their leases could still last
 */
export function judgeFreed(tookMs: number, livesMs: number, stallMs: number): Judged {
  const allowedMs = livesMs + times.sweepMs;
  if (tookMs <= allowedMs + SLACK_MS + PROCESSES * stallMs) return undefined;
  const told = `leases of clients that are cut off ended after ${Math.round(tookMs)} ms instead of ${allowedMs}`;
  return busy(stallMs) ?? { problem: told };
}

/** By how much the others may be slower, not counting what a busy machine takes. */
const OTHERS_MS = 100;
/** Which percentile is judged, and from how many samples on: with fewer holds, one late reply would decide. Confirms are too few for a p99. */
const others = {
  holdMs: { name: 'holds', percent: 99, leastSamples: 200 },
  confirmedMs: { name: 'confirms of other seats', percent: 95, leastSamples: 30 },
} as const;

/** Clients that the fault does not concern must be served as before: compares the slowest replies with those just before the fault. */
export function judgeOthers(what: keyof typeof others, normal: Paces, struck: Paces): Judged {
  const { name, percent, leastSamples } = others[what];
  const samples = Math.min(normal[what].length, struck[what].length);
  if (samples < leastSamples) return { notJudged: `only ${samples} ${name} to compare` };
  const tailMs = (of: Paces) => Math.round(percentile(of[what], percent / 100));
  const spareMs = OTHERS_MS + PROCESSES * struck.stallMs;
  if (tailMs(struck) - tailMs(normal) <= spareMs) return undefined;
  const told = `${name} took ${tailMs(struck)} ms (p${percent}) instead of ${tailMs(normal)} and ${Math.round(spareMs)} to spare`;
  return busy(Math.max(normal.stallMs, struck.stallMs)) ?? { problem: told };
}
