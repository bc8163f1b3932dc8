import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import WebSocket from 'ws';
import { type Client, connect } from '../../protocol/client.ts';
import { closeCodes } from '../../protocol/index.ts';
import { trySignal } from '../dev/process.ts';
import { openStage, patientConfirms, type TestStage } from './harness/app-kit.ts';
import { Backdoor } from './harness/backdoor.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';
import { copyProject } from './harness/project-copy.ts';
import { endServers, type ServerProcess, startServer } from './harness/server-process.ts';

/* Whom the kernel gives a connection to is its own affair: what is expected here holds for every way of dealing them out. */

const WORKERS = 2;
const CLIENTS = 10;
/** For what other processes have to do first, on a machine that may be busy with others. */
const PATIENT = { timeout: 30_000, interval: 50 };

// Each test starts processes, most of them several times.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const crowd = new Crowd();
let project: string;
let stage: TestStage;
let backdoor: Backdoor;
let env: Record<string, string>;

beforeAll(async () => {
  [project, stage] = await Promise.all([copyProject(), openStage()]);
  backdoor = new Backdoor(stage);
  env = {
    HOST: '127.0.0.1',
    WORKERS: String(WORKERS),
    DATABASE_URL: stage.database.url,
    REDIS_URL: stage.redis.url,
    ...patientConfirms,
    DRAIN_MS: '8000',
  };
});
afterAll(async () => {
  await crowd.leave();
  await endServers();
  await backdoor.close();
  await stage.close();
});

/** What a frozen worker is given is never answered: of several that are asked at once the first answer counts. */
async function scrape(url: string, atOnce = 1): Promise<Map<string, number>> {
  for (;;) {
    const asked = new AbortController();
    const signal = AbortSignal.any([asked.signal, AbortSignal.timeout(5_000)]);
    const text = await Promise.any(Array.from({ length: atOnce }, () => metricsOf(url, signal))).catch(
      () => undefined,
    );
    asked.abort();
    if (text === undefined) continue;
    return new Map(
      [...text.matchAll(/^(\w+(?:\{.*\})?) (\S+)$/gm)].map(([, name = '', value]) => [name, Number(value)]),
    );
  }
}

async function metricsOf(url: string, signal: AbortSignal): Promise<string> {
  const response = await fetch(`${url}/metrics`, { headers: { connection: 'close' }, signal });
  if (!response.ok) throw new Error(`it answered ${response.status}`);
  return response.text();
}

const HELD = 'rowlock_holds_total{via="ws",outcome="held"}';

/** Clients that hold a seat each, and what they were told of losing one. */
async function holders(server: ServerProcess, showId: string) {
  const lost: unknown[] = [];
  const clients = Array.from({ length: CLIENTS }, () =>
    connect(`${server.url.replace('http', 'ws')}/ws`, { WebSocket }),
  );
  await Promise.all(
    clients.map(async (client, i) => {
      client.on('lease_lost', (loss) => lost.push(loss));
      await client.hold(showId, [`A${i + 1}`]);
    }),
  );
  const close = () => Promise.all(clients.map((client) => client.close()));
  return { clients, lost, close };
}

const isBack = (client: Client, showId: string) =>
  client.state === 'live' && client.leases.get(showId)?.size === 1;

/** All of them have what they had, and can buy it. */
async function expectAllBuy(clients: readonly Client[], showId: string): Promise<void> {
  await expect.poll(() => clients.every((client) => isBack(client, showId)), PATIENT).toBe(true);
  await Promise.all(clients.map((client, i) => client.confirm(showId, [`A${i + 1}`])));
  expect(await backdoor.bookings(showId)).toHaveLength(clients.length);
}

describe('two workers', () => {
  let server: ServerProcess;
  beforeAll(async () => {
    server = await startServer({ project, env });
  });
  afterAll(() => server?.stop());

  it('are one server: whoever answers tells the metrics of both', async () => {
    await stage.createShow('shared');
    expect(await server.workers()).toHaveLength(WORKERS);
    const guests = await crowd.joinMany(server.url, CLIENTS);
    for (const [i, guest] of guests.entries())
      await guest.request<'held'>({ type: 'hold', showId: 'shared', seatIds: [`A${i + 1}`] });
    for (let i = 0; i < 8; i++) {
      const metrics = await scrape(server.url);
      expect(metrics.get('rowlock_workers')).toBe(WORKERS);
      expect(metrics.get('rowlock_connections')).toBe(CLIENTS);
      expect(metrics.get(HELD)).toBe(CLIENTS);
      expect(metrics.get('rowlock_store_up{store="redis"}')).toBe(1);
    }
    expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
    await Promise.all(guests.map((guest) => guest.close()));
  });

  it('a worker that is killed is started again, and its clients go on with what they held', async () => {
    await stage.createShow('killed');
    const { clients, lost, close } = await holders(server, 'killed');
    const held = (await scrape(server.url)).get(HELD);
    const before = await server.workers();
    // One after the other, so that every client loses its server once or twice.
    for (const [i, pid] of before.entries()) {
      process.kill(pid, 'SIGKILL');
      await expect
        .poll(async () => (await scrape(server.url)).get('rowlock_workers_lost_total'), PATIENT)
        .toBe(i + 1);
      await expect.poll(async () => (await scrape(server.url)).get('rowlock_workers'), PATIENT).toBe(WORKERS);
      await expect.poll(() => clients.every((client) => isBack(client, 'killed')), PATIENT).toBe(true);
    }
    const after = await server.workers();
    expect(after).toHaveLength(WORKERS);
    expect(after.filter((pid) => before.includes(pid))).toEqual([]);
    // What the dead ones had counted when they were last heard still counts.
    expect((await scrape(server.url)).get(HELD)).toBeGreaterThanOrEqual(held ?? Number.POSITIVE_INFINITY);
    await expectAllBuy(clients, 'killed');
    expect(lost).toEqual([]);
    await close();
  });

  it('a worker that is silent keeps no scrape waiting, and loses none of what it counted', async () => {
    const before = await scrape(server.url);
    const during = await vi.waitFor(async () => {
      const [frozen = 0] = await server.workers();
      process.kill(frozen, 'SIGSTOP');
      const metrics = await scrape(server.url, 8);
      trySignal(frozen, 'SIGCONT');
      // Not so where the machine was so slow that it was killed as one that hangs, and replaced.
      expect(metrics.get('rowlock_workers')).toBe(WORKERS - 1);
      return metrics;
    }, PATIENT);
    for (const name of [
      HELD,
      'rowlock_connections_opened_total',
      'rowlock_redis_call_duration_seconds_count{step="hold"}',
    ])
      expect(during.get(name)).toBeGreaterThanOrEqual(before.get(name) ?? Number.POSITIVE_INFINITY);
    await expect.poll(async () => (await scrape(server.url)).get('rowlock_workers'), PATIENT).toBe(WORKERS);
  });

  it('SIGHUP restarts them in turn: nobody is refused, nobody loses a seat', async () => {
    await stage.createShow('rolled');
    const { clients, lost, close } = await holders(server, 'rolled');
    const before = await server.workers();
    const workersLost = (await scrape(server.url)).get('rowlock_workers_lost_total');
    const callers = new Callers(server.url);
    server.kill('SIGHUP');
    const isRenewed = async () => {
      const now = await server.workers();
      return now.length === WORKERS && now.every((pid) => !before.includes(pid));
    };
    await expect.poll(isRenewed, PATIENT).toBe(true);
    await callers.stop();
    expect(callers.refused).toBe(0);
    expect(callers.answered).toBeGreaterThan(0);
    await expectAllBuy(clients, 'rolled');
    expect(lost).toEqual([]);
    expect((await scrape(server.url)).get('rowlock_workers_lost_total')).toBe(workersLost);
    await close();
  });

  it('SIGTERM to the first process drains both: confirms under way finish, in time', async () => {
    // A show for each, or their confirms would share transactions, as many as there are workers that have them.
    const guests = await crowd.joinMany(server.url, 4);
    const confirms = guests.map((_, i) => confirmOf(`ended-${i}`, ['A1']));
    for (const [i, guest] of guests.entries()) {
      await stage.createShow(`ended-${i}`);
      await guest.request<'held'>({ type: 'hold', showId: `ended-${i}`, seatIds: ['A1', 'A2'] });
    }
    const gate = await backdoor.closeGate();
    const ids = guests.map((guest, i) => guest.send(confirms[i] ?? confirmOf('', [])));
    await gate.reached(guests.length);
    server.kill('SIGTERM');
    await Promise.all(guests.map((guest) => guest.push('draining')));
    await gate.open();
    const replies = await Promise.all(guests.map((guest, i) => guest.reply(ids[i] ?? '')));
    expect(replies.map(({ type }) => type)).toEqual(guests.map(() => 'confirmed'));
    for (const guest of guests) expect(await guest.closed()).toBe(closeCodes.draining);
    const { code, stdout, stderr } = await server.ended;
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).not.toContain('it is killed');
    await expect(fetch(`${server.url}/livez`)).rejects.toThrow();
  });
});

/** New connections without end, one after the other in a few lanes. */
class Callers {
  answered = 0;
  refused = 0;
  readonly #lanes: Promise<void>[];
  #stopping = false;

  constructor(url: string) {
    this.#lanes = Array.from({ length: 4 }, () => this.#call(url));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#lanes);
  }

  async #call(url: string): Promise<void> {
    while (!this.#stopping) {
      try {
        await (await fetch(`${url}/livez`, { headers: { connection: 'close' } })).text();
        this.answered += 1;
      } catch (error) {
        const { code } = (error instanceof Error && error.cause ? error.cause : error) as { code?: string };
        // Made in the kernel at the very moment in which its worker stops listening (see OPERATIONS.md), or starved until its
        // worker had to go, it is cut. Refused it is not.
        if (code === 'ECONNREFUSED') this.refused += 1;
      }
      await pause(1);
    }
  }
}
