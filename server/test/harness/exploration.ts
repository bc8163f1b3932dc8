import fc from 'fast-check';
import { z } from 'zod';

const variables = z.object({
  MODEL_SEED: z.coerce.number().int().optional(),
  MODEL_SECONDS: z.coerce.number().positive().default(12),
});

/** What one world may take at most: a client whose connection is cut in each of its rounds waits longer before each. */
const WORLD_MS = 120_000;

export interface Exploration {
  /** When the test that explores has failed, at the latest. */
  readonly timeoutMs: number;
  /** Plays worlds one after another until the time is up; the last one to its end. */
  readonly explore: <World>(
    worlds: fc.Arbitrary<World>,
    play: (world: World) => Promise<void>,
  ) => Promise<void>;
}

/** How a model test runs: for how long, or which world over and over. From the environment, which nothing else in tests reads. */
export function explorationOf(env: Record<string, string | undefined>): Exploration {
  const { MODEL_SEED: only, MODEL_SECONDS: seconds } = variables.parse(env);
  const budgetMs = seconds * 1_000;
  return {
    timeoutMs: budgetMs + WORLD_MS,
    explore: async (worlds, play) => {
      const endMs = performance.now() + budgetMs;
      const first = only ?? Math.trunc(Math.random() * 2 ** 31);
      const step = only === undefined ? 1 : 0;
      // A time limit of fast-check's own would cut the world that is being played, and fail if that is the first one.
      for (let seed = first; performance.now() < endMs; seed += step)
        await fc.assert(fc.asyncProperty(worlds, play), {
          seed,
          numRuns: 1,
          timeout: WORLD_MS,
          // Smaller moves race differently: the run that failed says more.
          endOnFailure: true,
          includeErrorInReport: true,
        });
    },
  };
}
