import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { HistoryRecorder } from '../../load/history.ts';
import { verify } from '../../load/verify/verify.ts';
import { type Client, connect, RowlockError, type Watch } from '../../protocol/client.ts';
import { openStage, type TestStage } from './harness/app-kit.ts';
import { Backdoor } from './harness/backdoor.ts';
import { Balancer } from './harness/balancer.ts';
import { takenIn } from './harness/client.ts';
import { copyProject } from './harness/project-copy.ts';
import { recordedSockets } from './harness/recorded-socket.ts';
import { endServers, type ServerProcess, startServer } from './harness/server-process.ts';

/*
 * Three servers behind a balancer, customers who use the client, and servers that go while the sale is on. Whatever happens,
 * nobody loses a seat or a booking, and every map is right: nothing in the memory of a server is needed by another.
 */

const SERVERS = 3;
const BUYERS = 6;
const KEEPERS = 4;
const WATCHERS = 3;
/** Of his own, so that nobody can be in his way; and some that all of them want. */
const SEATS_EACH = 500;
const CONTESTED = 10;
const THINK_MS = 25;
const PATIENT = { timeout: 60_000, interval: 50 };
/** A hold without an answer in time may have taken effect: no buyer here asks what became of it. */
const DEADLINES = { requestTimeoutMs: 120_000, confirmTimeoutMs: 120_000 };

vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

let project: string;
let stage: TestStage;
let backdoor: Backdoor;
let servers: ServerProcess[];
let balancer: Balancer;

const start = () =>
  startServer({
    project,
    env: {
      HOST: '127.0.0.1',
      DATABASE_URL: stage.database.url,
      REDIS_URL: stage.redis.url,
      MAX_FRAMES_PER_S: '0',
      DRAIN_MS: '5000',
      // What three servers take to start while the machine is busy elsewhere ends no lease.
      LEASE_TTL_MS: '150000',
      LEASE_TTL_MAX_MS: '150000',
    },
  });
const portOf = ({ url }: ServerProcess) => Number(new URL(url).port);

beforeAll(async () => {
  [project, stage] = await Promise.all([copyProject(), openStage()]);
  backdoor = new Backdoor(stage);
  servers = await Promise.all(Array.from({ length: SERVERS }, start));
  balancer = await Balancer.start(servers.map(portOf));
});
afterAll(async () => {
  await balancer.stop();
  await endServers();
  await backdoor.close();
  await stage.close();
});

interface Sale {
  readonly showId: string;
  readonly clients: Client[];
  readonly losses: unknown[];
  /** `seatId` → booking, as buyers were told. */
  readonly sold: Map<string, string>;
  readonly connect: () => Client;
  /** Of all buyers. */
  rounds: number;
  isOver: boolean;
}

function openSale(showId: string, recorder: HistoryRecorder): Sale {
  const WebSocket = recordedSockets(recorder, showId);
  const [clients, losses]: [Client[], unknown[]] = [[], []];
  const come = () => {
    const client = connect(balancer.url, { WebSocket, ...DEADLINES });
    client.on('lease_lost', (loss) => losses.push(loss));
    client.on('error', (error) => losses.push(error));
    clients.push(client);
    return client;
  };
  return { showId, clients, losses, sold: new Map(), connect: come, rounds: 0, isOver: false };
}

async function buy(sale: Sale, client: Client, seatIds: readonly string[]): Promise<void> {
  // Asked for once; what became of it the client finds out, on whichever server.
  const { bookings } = await client.confirm(sale.showId, seatIds);
  for (const { seatId, bookingId } of bookings) sale.sold.set(seatId, bookingId);
}

/** False: not now. A hold is the only request whose answer may get lost with its connection: it is asked for anew. */
function take(sale: Sale, client: Client, seatIds: readonly string[]): Promise<boolean> {
  return client.hold(sale.showId, seatIds).then(
    () => true,
    (error: unknown) => {
      const isExpected =
        error instanceof RowlockError && (error.retryable || error.code === 'seat_unavailable');
      if (!isExpected) throw error;
      return false;
    },
  );
}

/** Buys two of his own seats at a time, and now and then looks whether he can get what all want. */
async function beBuyer(sale: Sale, number: number): Promise<void> {
  const client = sale.connect();
  let next = 1;
  for (let round = 0; !sale.isOver; round++) {
    const wanted = `A${(round % CONTESTED) + 1}`;
    if (round % 3 === 0 && (await take(sale, client, [wanted]))) await client.release(sale.showId, [wanted]);
    if (next < SEATS_EACH) {
      const pair = [next, next + 1].map((n) => `A${CONTESTED + number * SEATS_EACH + n}`);
      if (await take(sale, client, pair)) {
        await buy(sale, client, pair);
        next += 2;
      }
    }
    sale.rounds += 1;
    await pause(THINK_MS);
  }
}

/** Has two seats from the beginning and buys them at the end. */
async function beKeeper(sale: Sale, number: number): Promise<() => Promise<void>> {
  const client = sale.connect();
  const seatIds = [1, 2].map((n) => `A${CONTESTED + (BUYERS + number) * SEATS_EACH + n}`);
  await client.hold(sale.showId, seatIds);
  return () => buy(sale, client, seatIds);
}

const progress = async (sale: Sale) => {
  const before = sale.rounds;
  await expect.poll(() => sale.rounds, PATIENT).toBeGreaterThan(before + 5 * BUYERS);
};

/** A sale in which `happens` happens; then all of it is judged. */
async function sell(showId: string, happens: (sale: Sale) => Promise<void>): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'rowlock-servers-'));
  const recorder = new HistoryRecorder(dir, 'clients');
  await stage.createShow(showId, CONTESTED + (BUYERS + KEEPERS) * SEATS_EACH);
  const sale = openSale(showId, recorder);
  const maps = Array.from({ length: WATCHERS }, () => sale.connect().watch(showId));
  await Promise.all(maps.map(({ ready }) => ready));
  const keepers = await Promise.all(Array.from({ length: KEEPERS }, (_, number) => beKeeper(sale, number)));
  const buyers = Promise.all(Array.from({ length: BUYERS }, (_, number) => beBuyer(sale, number)));
  // A buyer who fails is told of at once, not after whatever else is waited for.
  await Promise.race([buyers, progress(sale).then(() => happens(sale))]);
  sale.isOver = true;
  await buyers;
  await Promise.all(keepers.map((keep) => keep()));

  expect(sale.losses).toEqual([]);
  const rows = await backdoor.bookings(showId);
  expect(new Map(rows.map(({ seat_id, id }) => [seat_id, id]))).toEqual(sale.sold);
  await expectRight(sale, maps, recorder);
  await Promise.all(sale.clients.map((client) => client.close()));
  recorder.close();

  const stores = { databaseUrl: stage.database.url, redisUrl: stage.redis.url };
  const { violations, looked } = await verify({ historyDir: dir, showId, ...stores });
  expect(violations).toEqual([]);
  expect(looked).toMatchObject({ bookings: sale.sold.size, confirmIds: rows.length / 2 });
  rmSync(dir, { recursive: true });
}

/** What all watchers see is what the database has, and what a server tells who comes now. */
async function expectRight(sale: Sale, maps: readonly Watch[], recorder: HistoryRecorder): Promise<void> {
  const { showId } = sale;
  const truth = Object.fromEntries([...sale.sold.keys()].map((seatId) => [seatId, 'booked']));
  const late = sale.connect().watch(showId);
  await late.ready;
  for (const map of [late, ...maps]) await expect.poll(() => takenIn(map), PATIENT).toEqual(truth);
  const { epoch, seq } = late.position ?? { epoch: '', seq: 0 };
  // Nothing changes any more, so all stand where the last change was.
  for (const map of maps) await expect.poll(() => map.position, PATIENT).toEqual({ epoch, seq });
  expect(maps.every(({ live }) => live)).toBe(true);
  recorder.end([{ showId, epoch, seq, held: [], booked: [...sale.sold.keys()] }]);
}

it('a rolling restart under load loses no lease, no confirm, and shows nobody a wrong map', async () => {
  const first = servers;
  await sell('rolled', async (sale) => {
    for (let i = 0; i < SERVERS; i++) {
      const [leaving, coming] = [servers[i], await start()];
      servers = servers.with(i, coming);
      balancer.backends = servers.map(portOf);
      leaving?.kill('SIGTERM');
      expect(await leaving?.ended).toMatchObject({ code: 0, stderr: '' });
      await progress(sale);
    }
  });
  expect(servers.filter((server) => first.includes(server))).toEqual([]);
});

it('all servers killed at once and others in their place: the same', async () => {
  await sell('killed', async (sale) => {
    for (const server of servers) server.kill('SIGKILL');
    servers = await Promise.all(Array.from({ length: SERVERS }, start));
    balancer.backends = servers.map(portOf);
    await progress(sale);
  });
});
