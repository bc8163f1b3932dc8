import { parseArgs } from 'node:util';
import { z } from 'zod';

export interface Order {
  readonly names: readonly string[];
  readonly seconds: number;
  readonly seed: number;
  readonly quick: boolean;
  /** If a fault cannot be injected here, that is an error. */
  readonly mustFire: boolean;
  /** Plays nothing, and only says which faults can be injected here. */
  readonly can: boolean;
}
type Parsed = { ok: true; order: Order } | { ok: false; problem: string };

/** The default length of the load for each fault. */
const SECONDS = 15;
const QUICK_SECONDS = 1.5;

const flags = z.object({
  seconds: z.coerce.number().min(1).max(600).optional(),
  seed: z.coerce.number().int().min(0).max(4_294_967_295).optional(),
  quick: z.boolean(),
  'must-fire': z.boolean(),
  can: z.boolean(),
});

export const usage = (faults: readonly { name: string; row: string }[]): string =>
  [
    'usage: npm run chaos -- [fault … | all] [--seconds n] [--seed n] [--quick] [--must-fire] [--can]',
    ...faults.map(({ name, row }) => `  ${name.padEnd(20)} ${row}`),
    `  --seconds n  of load for each fault, which strikes as often as fits; ${SECONDS}`,
    '  --seed n     replays a plan: which fault strikes when, whom and for how long',
    '  --quick      each fault once: seconds',
    '  --must-fire  a fault that cannot be injected here is an error',
    '  --can        names those that can be injected here, one a line; of the others the reason, on stderr',
  ].join('\n');

/** Never throws. A problem is one line that names the flag, or the usage. */
export function parseOrder(
  args: readonly string[],
  faults: readonly { name: string; row: string }[],
  anySeed: () => number,
): Parsed {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = { seconds: text, seed: text, quick: flag, 'must-fire': flag, can: flag } as const;
  let given: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    given = parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
  const all = faults.map(({ name }) => name);
  const asked = given.positionals.length === 0 ? ['all'] : given.positionals;
  const unknown = asked.find((name) => name !== 'all' && !all.includes(name));
  if (unknown !== undefined) return { ok: false, problem: `no fault is called ${unknown}\n${usage(faults)}` };
  const parsed = flags.safeParse(given.values);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { ok: false, problem: `--${issue?.path.join('.')}: ${issue?.message}` };
  }
  const { seconds, seed = anySeed(), quick, can, 'must-fire': mustFire } = parsed.data;
  const names = asked.includes('all') ? all : asked;
  const order = { names, seconds: seconds ?? (quick ? QUICK_SECONDS : SECONDS), seed, quick, mustFire, can };
  return { ok: true, order };
}
