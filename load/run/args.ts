import { parseArgs } from 'node:util';
import { z } from 'zod';

/** All scenarios, in the order in which `all` plays them. */
export const scenarios = [
  'lock-contention',
  'lock-ttl-expiry',
  'high-ramp-lock-race',
  'confirm-race-single',
  'confirm-race-multi',
  'on-sale-rush',
  'watch-crowd',
  'reconnect-storm',
  'second-wave',
] as const;

/** So many scenarios at the beginning of the list are races for one or two seats. `ci` plays only them. */
const RACES = 5;
const groups: Readonly<Record<string, readonly string[]>> = { all: scenarios, ci: scenarios.slice(0, RACES) };

export const USAGE = [
  'usage: npm run load -- <scenario | all | ci> [options]',
  `  scenarios         ${scenarios.slice(0, RACES).join(', ')},`,
  `                    ${scenarios.slice(RACES).join(', ')}; ci: the first five`,
  '  --quick           a short form of each, done within 20 s',
  '  --times n         n times the users, who arrive n times as fast',
  '  --users n  --ramp n (per second)  --run n (seconds)  --ttl n (ms)  --seats n or names',
  '  --target ws://…   a server that runs already; ADMIN_TOKEN is its, and --database-url and',
  '                    --redis-url (or DATABASE_URL, REDIS_URL) what it stands on',
].join('\n');

const positive = z.coerce.number().positive();
const whole = z.coerce.number().int().positive();
const seats = z.union([whole, z.string().regex(/^[\w-]+(,[\w-]+)*$/)]);

const flags = z.object({
  quick: z.boolean(),
  times: whole.default(1),
  users: whole.optional(),
  ramp: positive.optional(),
  run: positive.optional(),
  ttl: whole.min(500).optional(),
  seats: seats.optional(),
  target: z.url({ protocol: /^wss?$/, error: 'must be a ws:// or wss:// address' }).optional(),
  'database-url': z.url().optional(),
  'redis-url': z.url().optional(),
});

export interface Order {
  readonly names: readonly string[];
  readonly quick: boolean;
  readonly times: number;
  /** These replace the values of the YAML. */
  readonly users?: number | undefined;
  readonly rampPerS?: number | undefined;
  readonly runS?: number | undefined;
  readonly ttlMs?: number | undefined;
  readonly seats?: number | string | undefined;
  readonly target?: string | undefined;
  readonly databaseUrl?: string | undefined;
  readonly redisUrl?: string | undefined;
}

type Parsed = { ok: true; order: Order } | { ok: false; problem: string };

const text = { type: 'string' } as const;
const options = {
  quick: { type: 'boolean', default: false },
  times: text,
  users: text,
  ramp: text,
  run: text,
  ttl: text,
  seats: text,
  target: text,
  'database-url': text,
  'redis-url': text,
} as const;

/** Never throws. A problem is one line that names the flag. */
export function parseOrder(args: readonly string[]): Parsed {
  let given: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    given = parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    return { ok: false, problem: error instanceof Error ? error.message : String(error) };
  }
  const [name = '', ...more] = given.positionals;
  const names = groups[name] ?? scenarios.filter((scenario) => scenario === name);
  if (names.length === 0 || more.length > 0) return { ok: false, problem: USAGE };
  const parsed = flags.safeParse(given.values);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return { ok: false, problem: `--${issue?.path.join('.')}: ${issue?.message}` };
  }
  const { ramp, run, ttl, 'database-url': databaseUrl, 'redis-url': redisUrl, ...rest } = parsed.data;
  return {
    ok: true,
    order: { ...rest, names, rampPerS: ramp, runS: run, ttlMs: ttl, databaseUrl, redisUrl },
  };
}
