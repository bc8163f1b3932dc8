import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { generate } from 'selfsigned';
import { afterAll, beforeAll, expect, it } from 'vitest';
import WebSocket from 'ws';
import { connect } from '../../protocol/client.ts';
import { freePort } from '../dev/process.ts';
import { Containers, shown } from './harness/containers.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { call } from './harness/http.ts';

/*
 * What OPERATIONS.md tells whoever looks after the containers to type, on an engine: certificates, reloads, backups, passwords. Each
 * test goes on from where the one before it has left the containers.
 */

const SECTION = 'Looking after the containers';
const PATIENT = { timeout: 60_000, interval: 250 };
const showId = 'demo';
const [reloading = '', dumping = '', restoring = '', newPassword = ''] = shown(SECTION, 'sh');
const [tls = ''] = shown(SECTION, 'yaml');
const [secrets = ''] = shown('With containers', 'yaml');
const crowd = new Crowd();
let dir: string;
let tlsPort: number;
let containers: Containers;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'rowlock-upkeep-'));
  tlsPort = await freePort();
  await certify();
  const here = tls.replace('443:', `127.0.0.1:${tlsPort}:`).replace('./tls', join(dir, 'tls'));
  containers = await Containers.plan({}, secrets, here);
  await containers.sh('docker compose up --detach --build');
  await ready();
}, 600_000);
afterAll(async () => {
  await containers.down();
  await rm(dir, { recursive: true });
}, 120_000);

/** A new certificate in the old one's place, which it takes as a whole. */
async function certify(): Promise<void> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], {
    keyType: 'ec',
    algorithm: 'sha256',
  });
  await mkdir(join(dir, 'tls'), { recursive: true });
  await writeFile(join(dir, 'next.pem'), `${cert}\n${key}`);
  await rename(join(dir, 'next.pem'), join(dir, 'tls/site.pem'));
}

async function ready(): Promise<void> {
  await containers.healthy('server', 2);
  await containers.healthy('balancer', 1);
}

/** Fingerprint of what a new connection is shown. */
function shownCertificate(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port: tlsPort, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      const { raw } = socket.getPeerCertificate();
      resolve(new X509Certificate(raw).fingerprint256);
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

class TrustingSocket extends WebSocket {
  constructor(url: string, protocols?: string | string[]) {
    super(url, protocols, { rejectUnauthorized: false });
  }
}

const book = async (seatId: string, requestId: string) => {
  const buyer = await crowd.join(containers.url);
  await buyer.request<'held'>({ type: 'hold', showId, seatIds: [seatId] });
  await buyer.request<'confirmed'>(confirmOf(showId, [seatId], requestId));
  await crowd.leave();
};
const statusOf = async (requestId: string) => (await call(containers.url, `/bookings/${requestId}`)).status;
const bookedSeats = async () => (await call(containers.url, `/shows/${showId}/seats`)).body['booked'];

it('TLS ends at the balancer, and its new certificate reaches new connections without cutting old ones', async () => {
  const client = connect(`wss://127.0.0.1:${tlsPort}/ws`, { WebSocket: TrustingSocket });
  const told: unknown[] = [];
  client.on('lease_lost', (event) => told.push(event));
  await client.hold(showId, ['A1', 'A2']);
  client.on('state', (state) => told.push(state));
  const before = await shownCertificate();

  await certify();
  await containers.sh(reloading);
  await expect.poll(shownCertificate, PATIENT).not.toBe(before);
  expect((await client.confirm(showId, ['A1', 'A2'])).bookings).toHaveLength(2);
  expect(told).toEqual([]);
  await client.close();
});

it('a configuration that it cannot use changes nothing, and a balancer that was reloaded is still started again', async () => {
  const before = await shownCertificate();
  const [balancer] = await containers.of('balancer');
  if (balancer === undefined) throw new Error('there is no balancer');
  await rename(join(dir, 'tls/site.pem'), join(dir, 'kept.pem'));
  await containers.sh(reloading);
  await expect.poll(() => containers.logOf('balancer'), PATIENT).toContain('unable to stat');
  expect(await shownCertificate()).toBe(before);

  await rename(join(dir, 'kept.pem'), join(dir, 'tls/site.pem'));
  await containers.die(balancer);
  await expect.poll(() => containers.of('balancer'), PATIENT).toMatchObject([{ restarts: 1, running: true }]);
  await ready();
});

it('a backup brings back what was booked when it was made, and nothing that came later', async () => {
  const inDir = (lines: string) => lines.replaceAll('rowlock.dump', join(dir, 'rowlock.dump'));
  const [kept, later] = [randomUUID(), randomUUID()];
  await book('B1', kept);
  await containers.sh(inDir(dumping));
  await book('B2', later);

  await containers.sh(inDir(restoring));
  await ready();
  expect(await statusOf(kept)).toBe(200);
  expect(await statusOf(later)).toBe(404);
  expect(await bookedSeats()).toEqual(['A1', 'A2', 'B1']);

  // As after the loss of a disk, or under another major of PostgreSQL.
  await containers.sh('docker compose down --volumes && docker compose up --detach postgres redis');
  await containers.healthy('postgres', 1);
  await containers.sh(inDir(restoring));
  await ready();
  expect(await statusOf(kept)).toBe(200);
  expect(await bookedSeats()).toEqual(['A1', 'A2', 'B1']);
});

it('a password that was told to PostgreSQL first is changed without losing anything', async () => {
  await containers.sh(newPassword);
  await containers.sh('POSTGRES_PASSWORD=another docker compose up --detach');
  await ready();
  await expect.poll(bookedSeats, PATIENT).toEqual(['A1', 'A2', 'B1']);
  await book('C1', randomUUID());
});
