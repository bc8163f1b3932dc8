import { mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, beforeEach, expect, inject, it } from 'vitest';
import { ADMIN_TOKEN, openStage, type TestApp, type TestStage } from '../../server/test/harness/app-kit.ts';
import { Backdoor } from '../../server/test/harness/backdoor.ts';
import { TestCluster } from '../../server/test/harness/redis-cluster.ts';
import { TestSentinel } from '../../server/test/harness/sentinel.ts';
import { HistoryRecorder, machineMs } from '../history.ts';
import { verify } from '../verify/verify.ts';
import { writeEnd } from './end.ts';
import { seatIdsOf } from './ground/seats.ts';
import { times } from './ground/server-stand.ts';
import { type Players, startPlayers } from './players/start.ts';

/*
 * Redis fails over during a sale on two servers. The players of the chaos runs buy and watch. The checker reads their histories,
 * the tables, and the final state of Redis.
 */

const SEATS = 3_000;
const BUYERS = 16;
/** A failover loses the last writes, so a lease that was released or shortened may be back for so long. */
const prolongsMs = times.checkoutMs + times.guardMs;
const variables = {
  LEASE_TTL_MS: String(times.leaseTtlMs),
  CHECKOUT_MS: String(times.checkoutMs),
  BROADCAST_TICK_MS: '50',
  MAX_LEASES_PER_SESSION: '0',
  MAX_SESSIONS_PER_USER: '0',
};

let stage: TestStage;
let backdoor: Backdoor;
let players: Players;
let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(inject('runDir'), 'failover-'));
  stage = await openStage();
  backdoor = new Backdoor(stage);
  players = startPlayers();
});
afterEach(async () => {
  await players.stop();
  await backdoor.close();
  await stage.close();
});

class Sale {
  readonly recorder: HistoryRecorder;
  readonly #showIds: readonly string[];
  readonly #redisUrl: string;
  readonly #apps: readonly [TestApp, TestApp];
  readonly #historyDir = join(dir, 'history');

  private constructor(redisUrl: string, showIds: readonly string[], apps: readonly [TestApp, TestApp]) {
    this.#redisUrl = redisUrl;
    this.#showIds = showIds;
    this.#apps = apps;
    this.recorder = new HistoryRecorder(this.#historyDir, 'faults');
  }

  static async begin(redisUrl: string, showIds: readonly string[]): Promise<Sale> {
    for (const showId of showIds)
      await stage.createShow(
        showId,
        seatIdsOf(SEATS).map((id) => ({ id })),
      );
    const start = () => stage.start(variables, { redisUrl });
    const sale = new Sale(redisUrl, showIds, [await start(), await start()]);
    await players.call('begin', {
      ...{
        servers: sale.#ws,
        adminToken: ADMIN_TOKEN,
        showIds,
        seats: SEATS,
        buyers: BUYERS,
        regulars: 0,
        watchers: 2,
      },
      ...{ historyDir: sale.#historyDir, prefix: 'p', seed: 1, twinsPercent: 0 },
    });
    await sale.goesOn();
    return sale;
  }

  get #ws(): readonly string[] {
    return this.#apps.map(({ url }) => `${url.replace(/^http/, 'ws')}/ws`);
  }

  /** Waits until seats are booked and both servers are ready. */
  async goesOn(): Promise<void> {
    const { confirmed } = await players.call('tally');
    await expect
      .poll(async () => (await players.call('tally')).confirmed, { timeout: 60_000 })
      .toBeGreaterThan(confirmed + 20);
    for (const { url } of this.#apps)
      await expect.poll(async () => (await fetch(`${url}/readyz`)).status, { timeout: 60_000 }).toBe(200);
  }

  /** @param forgets the show whose leases may be lost; undefined: no leases may be lost */
  async struck(name: string, strike: () => Promise<unknown>, forgets?: string): Promise<void> {
    const ms = machineMs();
    await strike();
    await this.goesOn();
    // As long as a lease lasts, so that one that was never ended is seen to outlive its owner.
    await pause(times.leaseTtlMs);
    const lost = forgets === undefined ? { forgets: false } : { forgets: true, showId: forgets, prolongsMs };
    this.recorder.fault({ ms, name, ...lost });
  }

  async end(): Promise<void> {
    const tally = await players.call('settle');
    const [first = '', second = ''] = this.#ws;
    const postgres = { query: async (text: string) => [...(await backdoor.sql.unsafe(text))] };
    await writeEnd({ servers: [{ ws: first }, { ws: second }], postgres }, this.#showIds, this.recorder);
    await players.call('end');
    this.recorder.close();
    const stores = { databaseUrl: stage.database.url, redisUrl: this.#redisUrl };
    const { violations, looked } = await verify({ historyDir: this.#historyDir, ...stores });
    expect(violations).toEqual([]);
    expect(tally.problems).toEqual([]);
    expect(tally.unknownOpen).toBe(0);
    expect(looked['grants']).toBeGreaterThan(200);
    expect(looked['mapsCompared']).toBeGreaterThan(0);
  }
}

it('a cluster hands over, loses a master, and moves a slot', async () => {
  const cluster = await TestCluster.start((name) => join(dir, name), { replicas: 2 });
  try {
    const showIds = [0, 1, 2].map((master) => showAt(cluster, master));
    const sale = await Sale.begin(cluster.url, showIds);
    await sale.struck('a replica takes over in good order', () => cluster.handOver(0));
    await sale.struck('a master dies', () => cluster.failOver(1), showIds[1]);
    // Seats are sold while the slot is moved half-way, with keys on both sides.
    await sale.struck('a slot is moved', () =>
      cluster.moveSlot(showIds[2] ?? '', [2, 0], () => sale.goesOn()),
    );
    await sale.end();
  } finally {
    await cluster.stop();
  }
}, 240_000);

it('a cluster finds a master dead and elects its replica', async () => {
  const cluster = await TestCluster.start((name) => join(dir, name), { replicas: 2 });
  try {
    const showIds = [0, 1, 2].map((master) => showAt(cluster, master));
    const sale = await Sale.begin(cluster.url, showIds);
    await sale.struck('a master is killed', () => cluster.elect(1), showIds[1]);
    await sale.end();
  } finally {
    await cluster.stop();
  }
}, 300_000);

it('sentinels replace a master that died', async () => {
  const sentinel = await TestSentinel.start(join(dir, 'sentinel'));
  try {
    const sale = await Sale.begin(sentinel.url, ['one']);
    await sale.struck('a master dies', () => sentinel.failOver('dies'), 'one');
    await sale.end();
  } finally {
    await sentinel.stop();
  }
}, 240_000);

function showAt(cluster: TestCluster, master: number): string {
  for (let n = 0; ; n++) if (cluster.masterOf(`show-${n}`) === master) return `show-${n}`;
}
