/** Every setting of the server, described once: names, defaults and ranges are data. */

import { publicKey, secretKey } from '../auth/jwt-key.ts';
import { chosenWithin } from '../limits.ts';
import { choice, databaseUrl, flag, integer, origins, type Parser, redisUrl, text } from './parsers.ts';

export interface Variable<T, Default extends string | undefined = string | undefined> {
  name: string;
  /** As it would be written in the environment; undefined: unset unless given. */
  default: Default;
  description: string;
  /** Never quoted in a message; `<name>_FILE` may name a file that holds it. */
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
    'PostgreSQL; of several hosts (`host:port,host:port`) the one that takes writes; TLS by `sslmode` and `sslrootcert`; unset: an embedded one, its data in .data/',
    secret,
  ),
  redisUrl: variable(
    'REDIS_URL',
    undefined,
    redisUrl,
    'Redis 7+ or Valkey: a server (`redis://`), a cluster (`redis+cluster://`) or a master watched by sentinels (`redis+sentinel://`); unset: a private one that ends with the server',
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
    'Hard end of a lease, however often it is renewed',
  ),
  checkoutMs: variable('CHECKOUT_MS', '300000', integer(500, day), 'How long a checkout pins a lease'),
  resumeGraceMs: variable(
    'RESUME_GRACE_MS',
    '0',
    integer(0, day),
    'How long leases outlive an abnormal disconnect; 0: they end with it',
  ),
  broadcastTickMs: variable(
    'BROADCAST_TICK_MS',
    '25',
    integer(0, 10 * second),
    'Changes of a show within this time leave in one frame',
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
    'A confirm is decided or given up by then, whatever the database does; its answer may wait for Redis to be told',
  ),
  guardMs: variable(
    'GUARD_MS',
    '4000',
    integer(10, 10 * minute),
    'A lease lasts at least this long from the start of its confirm',
  ),
  startWaitMs: variable(
    'START_WAIT_MS',
    '30000',
    integer(0, 10 * minute),
    'How long a start waits for each of its stores, when it cannot be used yet; 0: not at all',
  ),
  drainMs: variable('DRAIN_MS', '10000', integer(10, 10 * minute), 'A stopping server has exited by then'),
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
    'Sessions per client address (IPv6: per /64); 0: no limit',
  ),
  maxSessions: variable('MAX_SESSIONS', '0', integer(0, 1e7), 'Sessions of one server; 0: no limit'),
  authJwtSecret: variable(
    'AUTH_JWT_SECRET',
    undefined,
    secretKey,
    'Users need a JWT signed with this secret (HS256), at least 32 bytes; without it and without a public key, a user is taken on trust',
    secret,
  ),
  authJwtPublicKey: variable(
    'AUTH_JWT_PUBLIC_KEY',
    undefined,
    publicKey,
    "The same with the issuer's public key, in PEM: RSA (RS256), P-256 (ES256) or Ed25519 (EdDSA)",
    secret,
  ),
  adminToken: variable(
    'ADMIN_TOKEN',
    undefined,
    text(/^[\x21-\x7e]{16,}$/, 'at least 16 characters, printable ASCII without spaces'),
    'Bearer token of admin calls, at least 16 characters; unset: they answer 403',
    secret,
  ),
  allowedOrigins: variable(
    'ALLOWED_ORIGINS',
    undefined,
    origins,
    "Origins whose pages may connect, beside the server's own, separated by commas; unset: any",
  ),
  trustProxy: variable(
    'TRUST_PROXY',
    'false',
    flag,
    "Take the client's address from X-Forwarded-For; only behind a proxy that sets it",
  ),
  workers: variable(
    'WORKERS',
    '1',
    integer(1, 128),
    'Processes that share the port, supervised by one more; MAX_SESSIONS is divided among them',
  ),
  logLevel: variable(
    'LOG_LEVEL',
    'info',
    choice(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']),
    'fatal, error, warn, info, debug, trace or silent',
  ),
};
