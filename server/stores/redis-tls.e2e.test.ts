import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { generate } from 'selfsigned';
import { afterAll, afterEach, beforeAll, expect, inject, it, vi } from 'vitest';
import { freePort, launch, type Running } from '../dev/process.ts';
import { findServer, type RedisService, startRedis } from '../dev/redis.ts';
import { Crowd } from '../test/harness/crowd.ts';
import { endServers, startServer } from '../test/harness/server-process.ts';
import { createDatabase, type TestDatabase } from '../test/harness/services.ts';
import { until } from '../test/harness/until.ts';

// Several servers have to agree, on a machine that may be busy with other things.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

/*
 * Redis by TLS and with passwords, in every form of the URL. A server of its own for each: Node reads its certificate
 * authorities when it starts.
 */

const password = 'the-password-of-redis';
const sentinelPassword = 'the-password-of-the-sentinel';
const project = fileURLToPath(new URL('../../', import.meta.url));

let database: TestDatabase;
let dir: string;
/** Its own authority. */
let certificate: string;
let files: Readonly<Record<string, string>>;
const started: Running[] = [];
const crowd = new Crowd();

beforeAll(async () => {
  dir = await mkdtemp(join(inject('runDir'), 'tls-'));
  const [cert, key] = [join(dir, 'cert.pem'), join(dir, 'key.pem')];
  const altNames = [{ type: 7, ip: '127.0.0.1' } as const];
  const extensions = [{ name: 'subjectAltName', altNames } as const];
  const own = await generate([{ name: 'commonName', value: 'Redis' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions,
  });
  certificate = own.cert;
  await Promise.all([writeFile(cert, own.cert), writeFile(key, own.private)]);
  files = { 'tls-cert-file': cert, 'tls-key-file': key, 'tls-ca-cert-file': cert };
  database = await createDatabase();
});
afterEach(async () => {
  await crowd.leave();
  await endServers();
});
afterAll(async () => {
  await Promise.all(started.map((running) => running.stop()));
  await database.drop();
});

/** Speaks TLS alone. */
async function startSecured(
  name: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<RedisService> {
  const port = await freePort();
  const secured = { port: '0', 'tls-port': String(port), 'tls-auth-clients': 'no', requirepass: password };
  const service = await startRedis({
    dir: join(dir, name),
    port,
    settings: { ...settings, ...files, ...secured },
  });
  started.push(service);
  return service;
}

async function startSecuredSentinel(masterPort: number): Promise<number> {
  const port = await freePort();
  const home = join(dir, 'sentinel');
  await mkdir(home);
  const file = join(home, 'sentinel.conf');
  const settings = {
    ...files,
    ...{ port: '0', 'tls-port': String(port), 'tls-auth-clients': 'no', 'tls-replication': 'yes' },
    ...{ bind: '127.0.0.1', dir: home, requirepass: sentinelPassword },
    'sentinel monitor main': `127.0.0.1 ${masterPort} 1`,
    'sentinel auth-pass main': password,
  };
  await writeFile(
    file,
    Object.entries(settings)
      .map((setting) => setting.join(' '))
      .join('\n'),
  );
  const ready = /Sentinel ID is/;
  const args = [file, '--sentinel'];
  started.push(
    await launch({ what: 'Sentinel', command: await findServer(), args, ready, endSignal: 'SIGTERM' }),
  );
  return port;
}

/** A server on this Redis sells, and shows no password. */
async function sells(redisUrl: string, shown: string): Promise<void> {
  const env = {
    REDIS_URL: redisUrl,
    DATABASE_URL: database.url,
    NODE_EXTRA_CA_CERTS: files['tls-cert-file'] ?? '',
  };
  const server = await startServer({ project, env });
  expect(server.greeting.get('Redis')).toBe(shown);
  await expect.poll(async () => (await fetch(`${server.url}/readyz`)).status, { timeout: 40_000 }).toBe(200);
  const guest = await crowd.watch(server.url, 'demo');
  await guest.request<'held'>({ type: 'hold', showId: 'demo', seatIds: ['A1'] });
  // By way of the feed.
  await guest.untilSeat('demo', 'A1', 'held');
  await crowd.leave();
  const { stdout, stderr } = await server.stop();
  expect(stdout + stderr).not.toMatch(new RegExp(`${password}|${sentinelPassword}`));
}

it('one server', async () => {
  const { port } = await startSecured('one');
  await sells(`rediss://:${password}@127.0.0.1:${port}`, `rediss://:***@127.0.0.1:${port}`);
});

it('a cluster', async () => {
  const { port } = await startSecured('cluster', {
    'cluster-enabled': 'yes',
    // Else the node tells TLS clients its other port.
    'tls-cluster': 'yes',
    'cluster-port': String(await freePort()),
  });
  const admin = new Redis({ host: '127.0.0.1', port, password, tls: { ca: certificate } });
  await admin.cluster('ADDSLOTSRANGE', 0, 16_383);
  await until('the cluster to work', async () => /cluster_state:ok/.test(await admin.cluster('INFO')));
  admin.disconnect();
  await sells(`rediss+cluster://:${password}@127.0.0.1:${port}`, `rediss+cluster://:***@127.0.0.1:${port}`);
});

it('what a sentinel watches', async () => {
  const master = await startSecured('master');
  const port = await startSecuredSentinel(master.port);
  const url = (login: string, query: string) =>
    `rediss+sentinel://${login}@127.0.0.1:${port}/main?sentinelPassword=${query}`;
  await sells(url(`:${password}`, sentinelPassword), url(':***', '***'));
});
