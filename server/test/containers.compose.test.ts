import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { connect } from '../../protocol/client.ts';
import { closeCodes } from '../../protocol/index.ts';
import { freePort } from '../dev/process.ts';
import { ADMIN_TOKEN } from './harness/app-kit.ts';
import { type Container, Containers, shown } from './harness/containers.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';

/*
 * docker-compose.yml on an engine, in one go: what it promises to whoever types `docker compose up`. Each test goes on from
 * where the one before it has left the containers.
 */

const PATIENT = { timeout: 30_000, interval: 250 };
const SESSIONS_PER_ADDRESS = 3;
const MEMORY_MIB = 768;
/** What the document says to type: to have three servers, to have another version. */
const [scaling = '', replacing = ''] = shown('With containers', 'sh');
/** And to write, for a token that is no variable of a container. */
const [override = ''] = shown('With containers', 'yaml');
const crowd = new Crowd();
let containers: Containers;
let servers: Container[];

beforeAll(async () => {
  const variables = {
    MAX_SESSIONS_PER_ADDRESS: String(SESSIONS_PER_ADDRESS),
    SERVER_MEMORY: `${MEMORY_MIB}m`,
    PROMETHEUS_PORT: String(await freePort()),
  };
  containers = await Containers.plan(variables, override);
  await containers.sh('docker compose up --detach --build');
  servers = await containers.healthy('server', 2);
  await containers.healthy('balancer', 1);
}, 600_000);
afterAll(() => containers.down(), 120_000);

const counts = () => Promise.all(servers.map((server) => containers.connectionsOf(server)));

/** Status of an upgrade that is asked for with this X-Forwarded-For. */
function upgradeStatus(forwardedFor: string): Promise<number> {
  const headers = {
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-version': '13',
    'sec-websocket-key': randomUUID().replaceAll('-', '').slice(0, 22).concat('=='),
    'x-forwarded-for': forwardedFor,
  };
  return new Promise((resolve, reject) => {
    const asked = request(`${containers.url}/ws`, { headers });
    asked.on('response', (response) => resolve(response.resume().statusCode ?? 0));
    asked.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve(response.statusCode ?? 0);
    });
    asked.on('error', reject).end();
  });
}

describe('a server', () => {
  it('is an ordinary user without rights, on a file system that takes nothing', async () => {
    for (const { id } of servers) {
      expect(Number(await containers.docker('exec', id, 'id', '-u'))).toBeGreaterThan(0);
      const status = await containers.docker('exec', id, 'cat', '/proc/1/status');
      expect(/^CapEff:\s*(\w+)$/m.exec(status)?.[1]).toMatch(/^0+$/);
      expect(/^NoNewPrivs:\s*(\d)$/m.exec(status)?.[1]).toBe('1');
      for (const folder of ['/rowlock', '/tmp', '/home/node'])
        await expect(containers.docker('exec', id, 'touch', `${folder}/x`)).rejects.toThrow(/Read-only/);
      // The engine itself makes the places where it mounts things.
      const changed = (await containers.docker('diff', id)).split('\n').map((line) => line.slice(2));
      expect(changed.filter((path) => /^\/(rowlock|tmp|home|root|var)/.test(path))).toEqual([]);
    }
  });

  it('has the settings of whoever started it, and no more memory than it is given', async () => {
    for (const { id } of servers) {
      const get = (what: string) => containers.docker('exec', id, 'node', '-p', what);
      expect(await get('process.env.MAX_SESSIONS_PER_ADDRESS')).toBe(String(SESSIONS_PER_ADDRESS));
      expect(await get('process.env.LEASE_TTL_MS || "unset"')).toBe('unset');
      expect(await containers.docker('inspect', id)).not.toContain(ADMIN_TOKEN);
      expect(await get('process.constrainedMemory()')).toBe(String(MEMORY_MIB * 2 ** 20));
    }
  });

  it('is reached through the balancer alone, which keeps its metrics inside', async () => {
    const [balancer] = await containers.of('balancer');
    const url = new URL(containers.url);
    expect(await containers.docker('port', balancer?.id ?? '')).toBe(`8080/tcp -> ${url.host}`);
    const inner = ['server', 'redis', 'postgres'].map((service) => containers.of(service));
    for (const { id } of (await Promise.all(inner)).flat())
      expect(await containers.docker('port', id)).toBe('');
    expect((await fetch(`${containers.url}/readyz`)).status).toBe(200);
    expect((await fetch(`${containers.url}/metrics`)).status).toBe(404);
  });
});

it('two clients are on two servers; one holds and confirms, the other sees it', async () => {
  const [buyer, watcher] = [await crowd.join(containers.url), await crowd.watch(containers.url, 'demo')];
  expect(await counts()).toEqual([1, 1]);
  await buyer.request<'held'>({ type: 'hold', showId: 'demo', seatIds: ['A1', 'A2'] });
  await watcher.untilSeat('demo', 'A2', 'held');
  await buyer.request<'confirmed'>(confirmOf('demo', ['A1', 'A2']));
  await watcher.untilSeat('demo', 'A2', 'booked');
  await crowd.leave();
});

it('limits go by the address that the balancer saw, whatever a client says of itself', async () => {
  await expect.poll(counts, PATIENT).toEqual([0, 0]);
  const room = SESSIONS_PER_ADDRESS * 2 * servers.length;
  for (let i = 0; i < room; i++) await crowd.connect(containers.url);
  expect(await upgradeStatus('203.0.113.7')).toBe(429);
  // From another address there is room: the server is no neighbour of the one who filled it.
  const [server] = servers;
  const program = `const asked = require('http').request('http://balancer:8080/ws', { headers: { upgrade: 'websocket',
    connection: 'Upgrade', 'sec-websocket-version': '13', 'sec-websocket-key': 'AAAAAAAAAAAAAAAAAAAAAA==' } });
    asked.on('response', (r) => process.exit(console.log(r.statusCode)));
    asked.on('upgrade', (r) => process.exit(console.log(r.statusCode))).end()`;
  expect(await containers.docker('exec', server?.id ?? '', 'node', '-e', program)).toBe('101');
  await crowd.leave();
});

it('a third server is found by the balancer and takes its share', async () => {
  await containers.sh(scaling);
  servers = await containers.healthy('server', 3);
  await expect.poll(counts, PATIENT).toEqual([0, 0, 0]);
  await expect
    .poll(async () => {
      await crowd.leave();
      await expect.poll(counts, PATIENT).toEqual([0, 0, 0]);
      for (let i = 0; i < 3; i++) await crowd.join(containers.url);
      return counts();
    }, PATIENT)
    .toEqual([1, 1, 1]);
  await crowd.leave();
});

it('a server that is stopped drains: its client goes on elsewhere, with its seats', async () => {
  const client = connect(`${containers.url.replace('http', 'ws')}/ws`, { WebSocket });
  await client.hold('demo', ['C1', 'C2']);
  const lost: unknown[] = [];
  client.on('lease_lost', (event) => lost.push(event));
  const raw = await Promise.all([1, 2].map(() => crowd.join(containers.url)));
  await expect.poll(counts, PATIENT).toEqual([1, 1, 1]);
  for (const { id } of servers.slice(0, 2)) await containers.docker('stop', '--time', '15', id);
  const left = (await containers.of('server')).filter(({ running }) => !running);
  expect(left.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  const closed = raw.flatMap(({ closeCode }) => closeCode ?? []);
  expect(closed.length).toBeGreaterThanOrEqual(1);
  expect(closed.every((code) => code === closeCodes.draining)).toBe(true);
  const { bookings } = await client.confirm('demo', ['C1', 'C2']);
  expect(bookings).toHaveLength(2);
  expect(lost).toEqual([]);
  await client.close();
  await crowd.leave();
});

it('another version takes over, and nobody loses a seat', async () => {
  await containers.sh('docker compose up --detach --scale server=2');
  const old = await containers.healthy('server', 2);
  const client = connect(`${containers.url.replace('http', 'ws')}/ws`, { WebSocket });
  const lost: unknown[] = [];
  client.on('lease_lost', (event) => lost.push(event));
  await client.hold('demo', ['E1', 'E2']);
  await containers.sh(replacing);
  servers = await containers.healthy('server', 2);
  expect(servers.filter(({ id }) => old.some((before) => before.id === id))).toEqual([]);
  expect((await client.confirm('demo', ['E1', 'E2'])).bookings).toHaveLength(2);
  expect(lost).toEqual([]);
  await client.close();
});

it('Prometheus finds the servers by itself', async () => {
  await containers.sh('docker compose up --detach --no-recreate --scale server=3 server prometheus');
  servers = await containers.healthy('server', 3);
  const [from] = servers;
  if (from === undefined) throw new Error('no server is up');
  const found = async () => {
    const answer = await containers.get(from, 'http://prometheus:9090/api/v1/targets').catch(() => '{}');
    const targets: { health: string; labels: { instance: string } }[] =
      JSON.parse(answer).data?.activeTargets ?? [];
    return targets.filter(({ health }) => health === 'up').map(({ labels }) => labels.instance);
  };
  const expected = servers.map(({ address }) => `${address}:8080`).sort();
  await expect.poll(async () => (await found()).sort(), PATIENT).toEqual(expected);
});

it('a stop of everything drains through the balancer, and what was booked is there afterwards', async () => {
  const requestId = randomUUID();
  const buyer = await crowd.join(containers.url);
  await buyer.request<'held'>({ type: 'hold', showId: 'demo', seatIds: ['D1'] });
  await buyer.request<'confirmed'>(confirmOf('demo', ['D1'], requestId));
  await containers.sh('docker compose stop');
  expect(buyer.frames.some(({ type }) => type === 'draining')).toBe(true);
  expect(await buyer.closed()).toBe(closeCodes.draining);
  // Nobody had to be killed: that would be 137.
  const ended = [...(await containers.of('server')), ...(await containers.of('balancer'))];
  expect(ended.map(({ running, exitCode }) => [running, exitCode])).toEqual(ended.map(() => [false, 0]));

  // The containers may go, the volumes stay.
  await containers.sh('docker compose --profile monitoring down && docker compose up --detach');
  await containers.healthy('balancer', 1);
  await expect
    .poll(async () => (await call(containers.url, `/bookings/${requestId}`)).body, PATIENT)
    .toMatchObject({ bookings: [{ seatId: 'D1' }], refunded: false });
});
