import { Random } from './random.ts';

/** When a fault strikes, what it hits, and for how long. */
export interface Moment {
  /** Since the load began. */
  readonly atMs: number;
  /** Which of the two servers it hits, if it hits only one. */
  readonly target: 0 | 1;
  readonly lengthMs: number;
  /** For everything else that the fault leaves to chance. */
  readonly seed: number;
}

export interface Span {
  /** How long one strike lasts: the shortest and the longest. */
  readonly lengthMs: readonly [number, number];
  /** The planned time between two strikes. As each may come later by up to half of it, it may be as short as that. */
  readonly restMs: number;
  /** Every strike lasts as long as there is time for. */
  readonly longest?: boolean;
  /** The strikes hit the two servers in turn. */
  readonly alternates?: boolean;
}

const WARM_UP_MS = 700;

/** The same seed, fault and duration give the same moments. There is at least one. */
export function planOf(
  seed: number,
  fault: string,
  { lengthMs, restMs, longest = false, alternates = false }: Span,
  seconds: number,
): Moment[] {
  const random = Random.of(seed, fault);
  const least = lengthMs[0];
  // A long strike is shortened if there is less time.
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

/** A strike as it has happened. It may be later than planned, if an earlier strike or the recovery from it took longer. */
export interface Strike {
  readonly moment: Moment;
  /** Since the load began. */
  readonly atMs: number;
  /** From its beginning to its end, including what it waited for. */
  readonly tookMs: number;
  readonly recoveryMs: number;
  readonly fired: boolean;
}

export const describe = ({ moment, atMs, tookMs, fired }: Strike): string =>
  `${secondsOf(atMs)} s (planned ${secondsOf(moment.atMs)}): server ${moment.target + 1}, ${secondsOf(tookMs)} s (planned ${secondsOf(moment.lengthMs)})${fired ? '' : ', did not fire'}`;

const secondsOf = (ms: number): string => (ms / 1_000).toFixed(1);
