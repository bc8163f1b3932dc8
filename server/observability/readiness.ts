import { withDeadline } from '../clock.ts';

export interface Readiness {
  readonly ready: boolean;
  readonly redis: boolean;
  readonly postgres: boolean;
  /** How long the slowest followed show has been behind, or how long the feed has been silent; 0: neither is the case. */
  readonly streamLagMs: number;
}

/** If a map is further behind, its watchers see states that are no longer true. */
const MAX_LAG_MS = 2_000;
const PROBE_MS = 1_000;

/** Asks both stores. Answers within a second, even if they do not. */
export async function askReadiness(probes: {
  redis: () => Promise<unknown>;
  postgres: () => Promise<unknown>;
  streamLagMs: () => number;
}): Promise<Readiness> {
  const answers = (probe: () => Promise<unknown>) =>
    withDeadline(probe(), PROBE_MS).then(
      () => true,
      () => false,
    );
  const [redis, postgres] = await Promise.all([answers(probes.redis), answers(probes.postgres)]);
  const streamLagMs = probes.streamLagMs();
  return { ready: redis && postgres && streamLagMs <= MAX_LAG_MS, redis, postgres, streamLagMs };
}
