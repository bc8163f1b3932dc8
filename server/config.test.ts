import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { keyPairs } from './auth/token-kit.ts';
import { variables } from './config/variables.ts';
import { type Environment, readConfig, withoutPassword } from './config.ts';

function problemsOf(env: Environment): string[] {
  const read = readConfig(env);
  return read.ok ? [] : read.problems;
}

function configOf(env: Environment) {
  const read = readConfig(env);
  if (!read.ok) throw new Error(read.problems.join('; '));
  return read.config;
}

describe('readConfig', () => {
  it('starts from the documented defaults', () => {
    expect(configOf({})).toEqual({
      port: 8080,
      host: '0.0.0.0',
      leaseTtlMs: 30_000,
      leaseTtlMaxMs: 120_000,
      maxHoldMs: 600_000,
      checkoutMs: 300_000,
      resumeGraceMs: 0,
      broadcastTickMs: 25,
      sweepMs: 250,
      redisTimeoutMs: 400,
      lockTimeoutMs: 500,
      statementTimeoutMs: 1500,
      confirmDeadlineMs: 2000,
      guardMs: 4000,
      startWaitMs: 30_000,
      drainMs: 10_000,
      maxSeatsPerHold: 10,
      maxLeasesPerSession: 50,
      maxWatchesPerSession: 20,
      maxFramesPerS: 50,
      maxSessionsPerUser: 20,
      maxSessionsPerAddress: 1000,
      maxSessions: 0,
      trustProxy: false,
      workers: 1,
      logLevel: 'info',
      heartbeatMs: 10_000,
      transactionStartMs: 2000,
    });
  });

  it('reads what is given, and takes an empty variable as unset', () => {
    const config = configOf({
      PORT: '0',
      DATABASE_URL: 'postgresql://u:p@db/rowlock?sslmode=disable',
      REDIS_URL: '',
      LEASE_TTL_MS: ' 1000 ',
      ALLOWED_ORIGINS: 'https://shop.example, http://localhost:3000/',
      TRUST_PROXY: '1',
      ADMIN_TOKEN: 'a-token-of-16-chr',
    });
    expect(config).toMatchObject({
      port: 0,
      databaseUrl: 'postgresql://u:p@db/rowlock?sslmode=disable',
      leaseTtlMs: 1000,
      heartbeatMs: 333,
      allowedOrigins: ['https://shop.example', 'http://localhost:3000'],
      trustProxy: true,
      adminToken: 'a-token-of-16-chr',
    });
    expect(config.redisUrl).toBeUndefined();
  });

  it('names every bad variable at once', () => {
    const problems = problemsOf({ PORT: '80a', LEASE_TTL_MS: '1', LOG_LEVEL: 'loud', ALLOWED_ORIGINS: '*' });
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'PORT',
      'LEASE_TTL_MS',
      'ALLOWED_ORIGINS',
      'LOG_LEVEL',
    ]);
    expect(problems[0]).toBe('PORT must be a whole number from 0 to 65535, but is "80a"');
  });

  it.each(['-1', '1.5', '1e3', '0x10', '65536', 'Infinity', 'NaN'])('refuses PORT=%s', (port) => {
    expect(problemsOf({ PORT: port })).toHaveLength(1);
  });

  it.each([
    { DATABASE_URL: 'mysql://u:hunter2@db/x' },
    { DATABASE_URL: 'hunter2' },
    { REDIS_URL: 'http://:hunter2@redis' },
    { DATABASE_URL: 'postgres://db/x?user=u&password=hunter2' },
    { REDIS_URL: 'redis:hunter2' },
    { REDIS_URL: 'redis://:hunter2%zz@one' },
    { REDIS_URL: 'redis://:hunter2@one:0' },
    { REDIS_URL: 'redis://:hunter2@one:1,two:2' },
    { REDIS_URL: 'redis+cluster://:hunter2@one:1,:2' },
    { REDIS_URL: 'redis+cluster://:hunter2@one:1/3' },
    { REDIS_URL: 'redis+cluster://u:hunter2%zz@one:1' },
    { REDIS_URL: 'redis+sentinel://:hunter2@one:1,two:2' },
    { ADMIN_TOKEN: 'hunter2 with spaces' },
    { ADMIN_TOKEN: 'hunter2-hunter2' },
    { AUTH_JWT_SECRET: 'hunter2' },
    { AUTH_JWT_PUBLIC_KEY: 'hunter2' },
  ])('refuses %j without repeating the secret', (env) => {
    const problems = problemsOf(env);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(Object.keys(env)[0]);
    expect(problems[0]).not.toContain('hunter2');
  });

  describe('takes a secret from a file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'rowlock-secrets-'));
    afterAll(() => rmSync(folder, { recursive: true }));
    const fileOf = (text: string) => {
      const path = join(folder, randomUUID());
      writeFileSync(path, text);
      return path;
    };

    it.each([
      ['DATABASE_URL', 'databaseUrl', 'postgres://u:hunter2@db/rowlock'],
      ['REDIS_URL', 'redisUrl', 'redis://:hunter2@redis'],
      ['ADMIN_TOKEN', 'adminToken', 'hunter2-hunter2-hunter2'],
    ] as const)('%s_FILE, whose last line may be ended', (name, field, value) => {
      expect(configOf({ [`${name}_FILE`]: fileOf(`${value}\n`), [name]: '' })[field]).toBe(value);
    });

    it('a PEM as it is, and no other variable', () => {
      const AUTH_JWT_PUBLIC_KEY_FILE = fileOf(keyPairs.ES256.publicKey);
      expect(configOf({ AUTH_JWT_PUBLIC_KEY_FILE }).userKey?.algorithms).toEqual(['ES256']);
      expect(configOf({ PORT_FILE: fileOf('1') }).port).toBe(8080);
    });

    it.each([
      ['that is not there', () => 'hunter2', /^AUTH_JWT_SECRET cannot be read .*ENOENT$/],
      // Taken for unset it would open the server to everybody.
      ['that is empty', () => fileOf(' \n'), /^AUTH_JWT_SECRET is empty/],
      ['that holds what it must not', () => fileOf('hunter2'), /^AUTH_JWT_SECRET must be/],
    ])('but none %s, and says nothing of what is in it', (_, path, problem) => {
      const problems = problemsOf({ AUTH_JWT_SECRET_FILE: path() });
      expect(problems).toEqual([expect.stringMatching(problem)]);
      expect(problems[0]).not.toContain('hunter2');
    });

    it('but not from both', () => {
      const problems = problemsOf({ ADMIN_TOKEN: 'hunter2', ADMIN_TOKEN_FILE: fileOf('hunter3') });
      expect(problems).toEqual(['ADMIN_TOKEN and ADMIN_TOKEN_FILE exclude each other']);
    });
  });

  it('has the key of authentication from either variable, not from both, and shows it to nobody', () => {
    const AUTH_JWT_SECRET = 'hunter2 hunter2 hunter2 hunter2 hunter2';
    const AUTH_JWT_PUBLIC_KEY = keyPairs.ES256.publicKey;
    expect(configOf({}).userKey).toBeUndefined();
    expect(configOf({ AUTH_JWT_SECRET }).userKey?.algorithms).toEqual(['HS256']);
    expect(configOf({ AUTH_JWT_PUBLIC_KEY }).userKey?.algorithms).toEqual(['ES256']);
    const config = configOf({ AUTH_JWT_SECRET });
    expect(JSON.stringify(config) + inspect(config, { depth: 9 })).not.toContain('hunter2');
    expect(problemsOf({ AUTH_JWT_SECRET, AUTH_JWT_PUBLIC_KEY })[0]).toMatch(/exclude each other/);
  });

  it.each([
    [{ LEASE_TTL_MS: '5000', LEASE_TTL_MAX_MS: '4000' }, ['LEASE_TTL_MS', 'LEASE_TTL_MAX_MS']],
    [{ LEASE_TTL_MS: '900', MAX_FRAMES_PER_S: '3' }, ['MAX_FRAMES_PER_S', 'LEASE_TTL_MS']],
    [{ MAX_LEASES_PER_SESSION: '9' }, ['MAX_SEATS_PER_HOLD', 'MAX_LEASES_PER_SESSION']],
    [{ LOCK_TIMEOUT_MS: '1500' }, ['LOCK_TIMEOUT_MS', 'STATEMENT_TIMEOUT_MS']],
    [{ STATEMENT_TIMEOUT_MS: '2000' }, ['STATEMENT_TIMEOUT_MS', 'CONFIRM_DEADLINE_MS']],
    [{ CONFIRM_DEADLINE_MS: '4000' }, ['CONFIRM_DEADLINE_MS', 'GUARD_MS']],
    [{ REDIS_TIMEOUT_MS: '1000', GUARD_MS: '9000' }, ['REDIS_TIMEOUT_MS', 'CONFIRM_DEADLINE_MS']],
    [{ REDIS_TIMEOUT_MS: '900', GUARD_MS: '2300' }, ['REDIS_TIMEOUT_MS', 'STATEMENT_TIMEOUT_MS', 'GUARD_MS']],
    [{ DRAIN_MS: '2000' }, ['CONFIRM_DEADLINE_MS', 'DRAIN_MS']],
  ])('asserts the relation broken by %j', (env, names) => {
    const problems = problemsOf(env);
    expect(problems).toHaveLength(1);
    for (const name of names) expect(problems[0]).toContain(name);
  });

  it('takes 0 for no limit where it says so, and a limit that is just enough', () => {
    for (const most of ['0', '10']) expect(problemsOf({ MAX_LEASES_PER_SESSION: most })).toEqual([]);
  });

  it('lets no transaction begin so late that it could outlive its guard', () => {
    const config = configOf({ CONFIRM_DEADLINE_MS: '3500' });
    expect(config.transactionStartMs + config.statementTimeoutMs + config.redisTimeoutMs).toBe(
      config.guardMs,
    );
  });
});

it('describes each variable once', () => {
  const described = Object.values(variables);
  expect(new Set(described.map(({ name }) => name)).size).toBe(described.length);
  for (const { name, description } of described) {
    expect(name).toMatch(/^[A-Z][A-Z_]+$/);
    expect(description).not.toBe('');
  }
});

it('hides passwords in URLs that people see', () => {
  expect(withoutPassword('postgres://u:hunter2@db:5432/x')).toBe('postgres://u:***@db:5432/x');
  expect(withoutPassword('redis://:hunter2@redis/1')).toBe('redis://:***@redis/1');
  expect(withoutPassword('redis://redis:6379/?password=hunter2')).not.toContain('hunter2');
  expect(withoutPassword('rediss+cluster://u:hunter2@one:1,two:2')).toBe(
    'rediss+cluster://u:***@one:1,two:2',
  );
  const sentinels = 'redis+sentinel://:hunter2@one:1,two:2/main?sentinelPassword=hunter2&sentinelUsername=s';
  expect(withoutPassword(sentinels)).toBe(
    'redis+sentinel://:***@one:1,two:2/main?sentinelPassword=***&sentinelUsername=s',
  );
  for (const url of ['postgres://u@db:5432/x', 'redis://redis:6379', 'redis+cluster://one:1,two:2'])
    expect(withoutPassword(url)).toBe(url);
});
