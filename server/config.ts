/**
 * The settings of the server, read from the environment. Nothing else reads it. The type `Config` is inferred from the
 * table of variables, and the README's table is tested against it.
 */

import type { JwtKey } from './auth/jwt-key.ts';
import type { Parsed } from './config/parsers.ts';
import { readSecret } from './config/secret-file.ts';
import { type Variable, variables } from './config/variables.ts';
import { limitRelations } from './limits.ts';

type Variables = typeof variables;
type Value<V> = V extends Variable<infer T, infer _> ? T : never;
type Optional = {
  [K in keyof Variables]: undefined extends Variables[K]['default'] ? K : never;
}[keyof Variables];

type Settings = { [K in Exclude<keyof Variables, Optional>]: Value<Variables[K]> } & {
  [K in Optional]?: Value<Variables[K]>;
};

export type Config = Readonly<
  Settings & {
    /** What verifies the tokens of users. Undefined: nobody is authenticated. */
    userKey?: JwtKey;
    /** How often a client should beat. */
    heartbeatMs: number;
    /**
     * A confirm's transaction may begin until this long after its guard was asked for: one that begins then
     * and uses all of its statement timeout still ends before the guard does.
     */
    transactionStartMs: number;
  }
>;

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Reads the settings; every bad variable is among the problems, each named. An empty variable counts as
 * unset, since compose files cannot leave one out. Values of secrets are in no problem.
 */
export function readConfig(
  env: Environment = process.env,
): { ok: true; config: Config } | { ok: false; problems: string[] } {
  const problems: string[] = [];
  const values: Record<string, unknown> = {};
  for (const [field, variable] of Object.entries(variables)) {
    const parsed = readVariable(variable, env);
    if (!parsed.ok) problems.push(`${variable.name} ${parsed.problem}`);
    else if (parsed.value !== undefined) values[field] = parsed.value;
  }
  if (problems.length > 0) return { ok: false, problems };

  // Sound: the loop has put the parser's value under each field that is not optional.
  const settings = values as Settings;
  const broken = relations.filter(({ holds }) => !holds(settings)).map(({ message }) => message);
  return broken.length > 0 ? { ok: false, problems: broken } : { ok: true, config: derive(settings) };
}

/** Undefined: it is not set, and has no default. */
function readVariable(
  { name, default: fallback, parse, secret }: Variable<unknown>,
  env: Environment,
): Parsed<unknown> {
  const read: Parsed<string | undefined> = secret ? readSecret(env, name) : { ok: true, value: env[name] };
  if (!read.ok) return read;
  const given = read.value?.trim() || fallback;
  if (given === undefined) return { ok: true, value: undefined };
  const parsed = parse(given);
  return parsed.ok || secret ? parsed : { ok: false, problem: `${parsed.problem}, but is ${quote(given)}` };
}

function derive(settings: Settings): Config {
  const { leaseTtlMs, confirmDeadlineMs, guardMs, redisTimeoutMs, statementTimeoutMs } = settings;
  const userKey = settings.authJwtSecret ?? settings.authJwtPublicKey;
  return {
    ...settings,
    ...(userKey === undefined ? {} : { userKey }),
    heartbeatMs: Math.floor(leaseTtlMs / 3),
    transactionStartMs: Math.min(confirmDeadlineMs, guardMs - redisTimeoutMs - statementTimeoutMs),
  };
}

/** What must hold between settings; each message names them. */
const relations: readonly { message: string; holds: (settings: Settings) => boolean }[] = [
  ...limitRelations,
  {
    message:
      'Twice REDIS_TIMEOUT_MS must be smaller than CONFIRM_DEADLINE_MS: ' +
      'the guard comes before the booking, and may have to wait for the one that is under way',
    holds: (s) => 2 * s.redisTimeoutMs < s.confirmDeadlineMs,
  },
  {
    message: 'LOCK_TIMEOUT_MS must be smaller than STATEMENT_TIMEOUT_MS',
    holds: (s) => s.lockTimeoutMs < s.statementTimeoutMs,
  },
  {
    message: 'STATEMENT_TIMEOUT_MS must be smaller than CONFIRM_DEADLINE_MS',
    holds: (s) => s.statementTimeoutMs < s.confirmDeadlineMs,
  },
  {
    message: 'CONFIRM_DEADLINE_MS must be smaller than GUARD_MS',
    holds: (s) => s.confirmDeadlineMs < s.guardMs,
  },
  {
    message:
      'REDIS_TIMEOUT_MS and STATEMENT_TIMEOUT_MS together must be smaller than GUARD_MS: ' +
      'no transaction may outlive its guard',
    holds: (s) => s.redisTimeoutMs + s.statementTimeoutMs < s.guardMs,
  },
  {
    message: 'CONFIRM_DEADLINE_MS must be smaller than DRAIN_MS: a stopping server lets confirms finish',
    holds: (s) => s.confirmDeadlineMs < s.drainMs,
  },
  {
    message: 'AUTH_JWT_SECRET and AUTH_JWT_PUBLIC_KEY exclude each other: tokens are verified with one key',
    holds: (s) => s.authJwtSecret === undefined || s.authJwtPublicKey === undefined,
  },
];

/** Whether this process is the `npm start` of somebody, rather than run by a supervisor. */
export function startedByNpm(env: Environment = process.env): boolean {
  const { npm_lifecycle_event: script } = env;
  return script === 'start';
}

/** The URL for people's eyes, its passwords replaced. It may name several hosts, as no URL of the standard can. */
export function withoutPassword(url: string): string {
  return url
    .replace(/^([^:/?#]+:\/\/[^:@/?#]*:)[^/?#]+@/, '$1***@')
    .replace(/([?&][^=&#]*(?:pass|secret|token)[^=&#]*=)[^&#]*/gi, '$1***');
}

function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}
