/**
 * Every setting of the server, described once: names, defaults and ranges are data, the type `Config` is
 * inferred from it, and the README's table is tested against it. Nothing else reads the environment.
 */

import { type JwtKey, publicKey, secretKey } from './auth/jwt-key.ts';
import { chosenWithin, limitRelations } from './limits.ts';
import { readPostgresUrl } from './stores/postgres-url.ts';
import { parseRedisUrl, REDIS_URL_FORMS } from './stores/redis-url.ts';

type Parsed<T> = { ok: true; value: T } | { ok: false; problem: string };
type Parser<T> = (text: string) => Parsed<T>;

export interface Variable<T, Default extends string | undefined = string | undefined> {
  name: string;
  /** As it would be written in the environment; undefined: unset unless given. */
  default: Default;
  description: string;
  /** Never quoted in a message. */
  secret: boolean;
  parse: Parser<T>;
}

const second = 1000;
const minute = 60 * second;
const day = 24 * 60 * minute;
const secret = { secret: true };

function variable<T, const Default extends string | undefined>(
  name: string,
  fallback: Default,
  parse: Parser<T>,
  description: string,
  options = { secret: false },
): Variable<T, Default> {
  return { name, default: fallback, parse, description, ...options };
}

/** The names on the left are those of `Config`. */
export const variables = {
  port: variable('PORT', '8080', integer(0, 65_535), 'Port of HTTP and WebSocket; 0: any free one'),
  host: variable('HOST', '0.0.0.0', text(/^[A-Za-z0-9.:_-]+$/, 'a host name or address'), 'Address to bind'),
  databaseUrl: variable(
    'DATABASE_URL',
    undefined,
    databaseUrl,
    'PostgreSQL; several hosts (`host:port,host:port`): the one that takes writes; TLS by `sslmode` and `sslrootcert`; unset: an embedded one, its data in .data/',
    secret,
  ),
  redisUrl: variable(
    'REDIS_URL',
    undefined,
    redisUrl,
    'Redis 7+ or Valkey: a server (`redis://`), a cluster (`redis+cluster://`) or what sentinels watch (`redis+sentinel://`); unset: a private one that ends with the server',
    secret,
  ),
  leaseTtlMs: variable(
    'LEASE_TTL_MS',
    '30000',
    integer(...chosenWithin.ttlMs),
    'How long a lease lives without a heartbeat; clients beat every third of it',
  ),
  leaseTtlMaxMs: variable(
    'LEASE_TTL_MAX_MS',
    '120000',
    integer(...chosenWithin.ttlMs),
    'The longest TTL a hold may ask for',
  ),
  maxHoldMs: variable(
    'MAX_HOLD_MS',
    '600000',
    integer(500, day),
    'Hard end of a lease, whatever its heartbeats',
  ),
  checkoutMs: variable('CHECKOUT_MS', '300000', integer(500, day), 'How long a checkout pins a lease'),
  resumeGraceMs: variable(
    'RESUME_GRACE_MS',
    '0',
    integer(0, day),
    'How long leases outlive an abnormal disconnect; 0: not at all',
  ),
  broadcastTickMs: variable(
    'BROADCAST_TICK_MS',
    '25',
    integer(0, 10 * second),
    'Changes of a show within one tick leave in one frame',
  ),
  sweepMs: variable(
    'SWEEP_MS',
    '250',
    integer(10, minute),
    'Longest time between two sweeps for ended leases',
  ),
  redisTimeoutMs: variable('REDIS_TIMEOUT_MS', '400', integer(10, minute), 'Deadline of one call to Redis'),
  lockTimeoutMs: variable('LOCK_TIMEOUT_MS', '500', integer(10, minute), 'Longest wait for a row lock'),
  statementTimeoutMs: variable(
    'STATEMENT_TIMEOUT_MS',
    '1500',
    integer(10, minute),
    'Longest run of one statement in PostgreSQL',
  ),
  confirmDeadlineMs: variable(
    'CONFIRM_DEADLINE_MS',
    '2000',
    integer(10, minute),
    'A confirm is answered by then, whatever the database does',
  ),
  guardMs: variable(
    'GUARD_MS',
    '4000',
    integer(10, 10 * minute),
    'A lease lasts at least this long from the start of its confirm',
  ),
  drainMs: variable('DRAIN_MS', '10000', integer(10, 10 * minute), 'A stopping server has ended by then'),
  maxSeatsPerHold: variable(
    'MAX_SEATS_PER_HOLD',
    '10',
    integer(...chosenWithin.seatsPerHold),
    'Seats per hold, checkout or confirm',
  ),
  maxLeasesPerSession: variable(
    'MAX_LEASES_PER_SESSION',
    '50',
    integer(0, 1e6),
    'Leases per session, and per user over HTTP; 0: no limit',
  ),
  maxWatchesPerSession: variable(
    'MAX_WATCHES_PER_SESSION',
    '20',
    integer(0, 1e6),
    'Watched shows per session; 0: no limit',
  ),
  maxFramesPerS: variable(
    'MAX_FRAMES_PER_S',
    '50',
    integer(0, 1e6),
    'Frames per second and session, or calls per second and user over HTTP; bursts of twice that; 0: no limit',
  ),
  maxSessionsPerUser: variable(
    'MAX_SESSIONS_PER_USER',
    '20',
    integer(0, 1e7),
    'Sessions per user; 0: no limit',
  ),
  maxSessionsPerAddress: variable(
    'MAX_SESSIONS_PER_ADDRESS',
    '1000',
    integer(0, 1e7),
    'Sessions per client address; 0: no limit',
  ),
  maxSessions: variable('MAX_SESSIONS', '0', integer(0, 1e7), 'Sessions of one server; 0: no limit'),
  authJwtSecret: variable(
    'AUTH_JWT_SECRET',
    undefined,
    secretKey,
    'Users need a JWT signed with this (HS256), at least 32 bytes; unset, and no public key: anybody is whom they say',
    secret,
  ),
  authJwtPublicKey: variable(
    'AUTH_JWT_PUBLIC_KEY',
    undefined,
    publicKey,
    'The same with the public key of the issuer, in PEM: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)',
    secret,
  ),
  adminToken: variable(
    'ADMIN_TOKEN',
    undefined,
    text(/^[\x21-\x7e]+$/, 'printable ASCII without spaces'),
    'Bearer token of admin calls; unset: they answer 403',
    secret,
  ),
  allowedOrigins: variable(
    'ALLOWED_ORIGINS',
    undefined,
    origins,
    "Origins beside the server's own whose pages may connect, separated by commas; unset: any",
  ),
  trustProxy: variable(
    'TRUST_PROXY',
    'false',
    flag,
    "Take the client's address from X-Forwarded-For: only behind a proxy that sets it",
  ),
  workers: variable(
    'WORKERS',
    '1',
    integer(1, 128),
    'Processes that share the port, looked after by one more; MAX_SESSIONS is shared out among them',
  ),
  logLevel: variable(
    'LOG_LEVEL',
    'info',
    choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'fatal, error, warn, info, debug, trace or silent',
  ),
};

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
  for (const [field, { name, default: fallback, parse, secret }] of Object.entries(variables)) {
    const given = env[name]?.trim() || fallback;
    if (given === undefined) continue;
    const parsed = parse(given);
    if (parsed.ok) values[field] = parsed.value;
    else problems.push(`${name} ${parsed.problem}${secret ? '' : `, but is ${quote(given)}`}`);
  }
  if (problems.length > 0) return { ok: false, problems };

  // Sound: the loop has put the parser's value under each field that is not optional.
  const settings = values as Settings;
  const broken = relations.filter(({ holds }) => !holds(settings)).map(({ message }) => message);
  return broken.length > 0 ? { ok: false, problems: broken } : { ok: true, config: derive(settings) };
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

function integer(min: number, max: number): Parser<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    const ok = value >= min && value <= max;
    return ok ? { ok, value } : { ok, problem: `must be a whole number from ${min} to ${max}` };
  };
}

function text(form: RegExp, what: string): Parser<string> {
  return (value) => (form.test(value) ? { ok: true, value } : { ok: false, problem: `must be ${what}` });
}

function databaseUrl(text: string): Parsed<string> {
  const read = readPostgresUrl(text);
  return read.ok ? { ok: true, value: text } : read;
}

function redisUrl(text: string): Parsed<string> {
  return parseRedisUrl(text) === undefined
    ? { ok: false, problem: `must be a URL such as ${REDIS_URL_FORMS}` }
    : { ok: true, value: text };
}

function origins(text: string): Parsed<string[]> {
  const value = text.split(',').map((origin) => origin.trim().replace(/\/$/, ''));
  const ok = value.every((origin) => URL.canParse(origin) && new URL(origin).origin === origin);
  return ok
    ? { ok, value }
    : { ok, problem: 'must be origins such as https://shop.example, separated by commas' };
}

function flag(text: string): Parsed<boolean> {
  if (/^(1|true|yes|on)$/i.test(text)) return { ok: true, value: true };
  if (/^(0|false|no|off)$/i.test(text)) return { ok: true, value: false };
  return { ok: false, problem: 'must be true or false' };
}

function choice<const T extends string>(choices: readonly T[]): Parser<T> {
  return (text) => {
    const value = choices.find((candidate) => candidate === text);
    return value ? { ok: true, value } : { ok: false, problem: `must be one of ${choices.join(', ')}` };
  };
}

function quote(value: string): string {
  return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value);
}
