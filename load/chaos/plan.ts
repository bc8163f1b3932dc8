import { Random } from './random.ts';

/** When a fault strikes, whom, and for how long. */
export interface Moment {
  /** After the load began. */
  readonly atMs: number;
  /** Which of the two servers, where the fault is of one. */
  readonly target: 0 | 1;
  readonly lengthMs: number;
  /** For whatever else the fault leaves to chance. */
  readonly seed: number;
}

export interface Span {
  /** How long one strike lasts: at least, at the most. */
  readonly lengthMs: readonly [number, number];
  /** Between the end of one and the next, at least. */
  readonly restMs: number;
  /** Every strike lasts the most that there is time for, not anything between. */
  readonly longest?: boolean;
  /** The two servers take turns. */
  readonly alternates?: boolean;
}

const WARM_UP_MS = 700;

/** The same seed, fault and duration give the same moments. At least one. */
export function planOf(
  seed: number,
  fault: string,
  { lengthMs, restMs, longest = false, alternates = false }: Span,
  seconds: number,
): Moment[] {
  const random = Random.of(seed, fault);
  const least = lengthMs[0];
  // A long one may be cut to what there is time for.
  const most = Math.max(least, Math.min(lengthMs[1], seconds * 1_000 + WARM_UP_MS));
  const slotMs = most + restMs;
  const slots = Math.max(1, Math.floor((seconds * 1_000 - WARM_UP_MS) / slotMs));
  const moments = Array.from(
    { length: slots },
    (_, slot): Moment => ({
      atMs: Math.round(WARM_UP_MS + slot * slotMs + random.between(0, restMs / 2)),
      target: random.chance(0.5) ? 1 : 0,
      lengthMs: Math.round(random.between(longest ? most : least, most)),
      seed: random.below(2 ** 31),
    }),
  );
  const first = moments[0]?.target ?? 0;
  return alternates
    ? moments.map((moment, slot) => ({ ...moment, target: (first + slot) % 2 === 0 ? 0 : 1 }))
    : moments;
}

/** One strike as it was. The plan says what was meant: one that takes longer, or is recovered from late, delays the next. */
export interface Strike {
  readonly moment: Moment;
  /** After the load began. */
  readonly atMs: number;
  /** Until it was over: what it waited for included. */
  readonly tookMs: number;
  readonly recoveryMs: number;
  readonly fired: boolean;
}

export const describe = ({ moment, atMs, tookMs, fired }: Strike): string =>
  `${secondsOf(atMs)} s (planned ${secondsOf(moment.atMs)}): server ${moment.target + 1}, ${secondsOf(tookMs)} s (planned ${secondsOf(moment.lengthMs)})${fired ? '' : ', did not fire'}`;

const secondsOf = (ms: number): string => (ms / 1_000).toFixed(1);
