import { z } from 'zod';

const variables = z.object({
  MODEL_SEED: z.coerce.number().int().optional(),
  MODEL_PATH: z.string().optional(),
  MODEL_SECONDS: z.coerce.number().positive().default(12),
});

/** How a model test runs: for how long, or which failure again. From the environment, which nothing else in tests reads. */
export function replayOf(env: Record<string, string | undefined>) {
  const { MODEL_SEED: seed, MODEL_PATH: path, MODEL_SECONDS: seconds } = variables.parse(env);
  return {
    budgetMs: seconds * 1_000,
    parameters: { ...(seed === undefined ? {} : { seed }), ...(path === undefined ? {} : { path }) },
  };
}
