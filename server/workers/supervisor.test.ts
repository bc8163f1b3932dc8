import { afterEach, expect, it, vi } from 'vitest';
import { httpLimits } from '../limits.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import { samplesOf } from '../observability/self-report.ts';
import { FakeWorker } from './fake-worker-kit.ts';
import { type Duties, Supervisor } from './supervisor.ts';
import { backoffMs, timing } from './timing.ts';
import type { Hears } from './worker-process.ts';

const supervisors: Supervisor[] = [];
let workers: FakeWorker[] = [];

afterEach(async () => {
  const stops = supervisors.splice(0).map((supervisor) => supervisor.stop());
  for (const worker of workers) worker.ends();
  await Promise.all(stops);
  workers = [];
});

const lost = vi.fn();
const quick = { firstMs: 1, mostMs: 4, calmMs: 60_000 };

function supervise(duties: Partial<Duties> = {}): Supervisor {
  const launch = (number: number, hears: Hears) => {
    const worker = new FakeWorker(number, workers.length + 1, hears);
    workers.push(worker);
    return worker;
  };
  lost.mockClear();
  const supervisor = new Supervisor({
    workers: 2,
    drainMs: 60_000,
    log: createLog('silent'),
    launch,
    onLost: lost,
    times: { ...timing, backoff: quick },
    ...duties,
  });
  supervisors.push(supervisor);
  return supervisor;
}

async function started(duties: Partial<Duties> = {}): Promise<Supervisor> {
  const supervisor = supervise(duties);
  const start = supervisor.start();
  for (const worker of workers) worker.listens();
  await start;
  return supervisor;
}

const nth = (n: number): FakeWorker => {
  const worker = workers[n - 1];
  if (worker === undefined) throw new Error(`no worker ${n} was started`);
  return worker;
};
const until = (n: number) => expect.poll(() => workers.length, { interval: 1 }).toBe(n);
/** Lets everything happen that happens by itself. */
const turn = () => new Promise((resolve) => setTimeout(resolve, 20));

it('has started when all listen', async () => {
  const supervisor = supervise({ workers: 3 });
  let isUp = false;
  const start = supervisor.start().then(() => {
    isUp = true;
  });
  expect(workers.map(({ number }) => number)).toEqual([1, 2, 3]);
  nth(1).listens();
  nth(3).listens();
  await turn();
  expect(isUp).toBe(false);
  nth(2).listens();
  await start;
});

it('ends all when one cannot start, and says why', async () => {
  const start = supervise().start();
  nth(1).listens();
  nth(2).fails('no Redis');
  await expect.poll(() => nth(1).told).toEqual(['drain']);
  nth(1).ends({ code: 0 });
  await expect(start).rejects.toThrow('no Redis');
  expect(workers).toHaveLength(2);
});

it('starts one that ended again in its place, and counts it', async () => {
  const supervisor = await started();
  nth(1).ends({ signal: 'SIGKILL' });
  await until(3);
  expect(nth(3).number).toBe(1);
  nth(3).listens();
  nth(2).ends({ code: 1 });
  await until(4);
  expect(nth(4).number).toBe(2);
  nth(4).listens();
  expect(await supervisor.scrape()).toContain('rowlock_workers_lost_total 2');
});

it('waits longer each time that one dies young, up to a bound', () => {
  const waits = [0, 1, 2, 3, 6, 7, 50].map((deaths) => backoffMs(deaths, timing.backoff));
  expect(waits).toEqual([0, 100, 200, 400, 3_200, 5_000, 5_000]);
});

it('waits before it replaces one whose predecessor did not live long either', async () => {
  const hour = 3_600_000;
  await started({ times: { ...timing, backoff: { firstMs: hour, mostMs: hour, calmMs: hour } } });
  nth(1).ends();
  await until(3);
  nth(3).listens();
  nth(3).ends();
  await turn();
  expect(workers).toHaveLength(3);
});

it('replaces one that lived long at once, each time', async () => {
  await started({ times: { ...timing, backoff: { firstMs: 60_000, mostMs: 60_000, calmMs: 0 } } });
  for (const n of [3, 4, 5]) {
    nth(n === 3 ? 1 : n - 1).ends();
    await until(n);
    nth(n).listens();
  }
});

it('says how many there should be, and counts the starts that fail', async () => {
  const supervisor = await started();
  nth(1).ends();
  for (const n of [3, 4]) {
    await until(n);
    nth(n).fails('no Redis');
  }
  await until(5);
  const restart = supervisor.restart();
  nth(6).fails('no Redis');
  await restart;
  const metrics = await supervisor.scrape();
  expect(metrics).toContain('rowlock_workers_wanted 2\n');
  expect(metrics).toContain('rowlock_worker_starts_failed_total 3\n');
});

it('outlives what goes wrong while it listens to them', async () => {
  const log = createLog('silent');
  const said = vi.spyOn(log, 'error');
  await started({ log, times: { ...timing, hearEveryMs: 5 } });
  nth(1).report = () => Promise.reject(new Error('a bug'));
  await expect.poll(() => said.mock.calls[0]?.[1]).toBe('the workers cannot be looked after');
  expect(await nth(2).hears.scrape()).toBeUndefined();
});

it('goes on trying while another one lives, and gives up when none does', async () => {
  await started();
  nth(1).ends();
  for (let n = 3; n < 8; n++) {
    await until(n);
    nth(n).fails('no Redis');
  }
  await until(8);
  expect(lost).not.toHaveBeenCalled();
  nth(2).ends();
  await until(9);
  const failAll = () => {
    for (const worker of workers) worker.fails('no PostgreSQL');
    return lost.mock.calls.length;
  };
  await expect.poll(failAll, { interval: 1 }).toBe(1);
  expect(lost).toHaveBeenCalledWith('no PostgreSQL');
});

it('restarts one after the other: the successor listens before its predecessor is sent away', async () => {
  const supervisor = await started();
  const restart = supervisor.restart();
  expect(workers.map(({ number }) => number)).toEqual([1, 2, 1]);
  await turn();
  expect(nth(1).told).toEqual([]);
  nth(3).listens();
  await expect.poll(() => nth(1).told).toEqual(['drain']);
  await turn();
  expect(workers).toHaveLength(3);
  nth(1).ends({ code: 0 });
  await until(4);
  expect(nth(4).number).toBe(2);
  nth(4).listens();
  await expect.poll(() => nth(2).told).toEqual(['drain']);
  nth(2).ends({ code: 0 });
  await restart;
  // No worker counts as lost, and the successors are replaced when they end.
  expect(await supervisor.scrape()).toContain('rowlock_workers_lost_total 0');
  nth(3).ends();
  await until(5);
});

it('restarts once more when asked meanwhile, not more often', async () => {
  const supervisor = await started({ workers: 1 });
  const restarts = [1, 2, 3].map(() => supervisor.restart());
  for (const n of [2, 3]) {
    await until(n);
    nth(n).listens();
    await expect.poll(() => nth(n - 1).told).toEqual(['drain']);
    nth(n - 1).ends({ code: 0 });
  }
  await Promise.all(restarts);
  expect(workers).toHaveLength(3);
});

it('keeps the old ones when a successor cannot start', async () => {
  const supervisor = await started();
  const restart = supervisor.restart();
  nth(3).fails('a syntax error');
  await restart;
  expect(workers).toHaveLength(3);
  expect([...nth(1).told, ...nth(2).told]).toEqual([]);
  expect(lost).not.toHaveBeenCalled();
  nth(1).ends();
  await until(4);
});

it('leaves a place alone that a restart filled while it waited to', async () => {
  const supervisor = await started();
  nth(1).ends();
  await until(3);
  nth(3).fails('no Redis');
  // The supervisor waits before it starts another worker. The restart comes first, because no timer runs in between.
  await new Promise(process.nextTick);
  const restart = supervisor.restart();
  nth(4).listens();
  await until(5);
  nth(5).fails('no Redis');
  await restart;
  await turn();
  expect(workers).toHaveLength(5);
  nth(4).ends();
  await until(6);
});

it('kills who does not drain in time, and says so', async () => {
  const log = createLog('silent');
  const said = vi.spyOn(log, 'error');
  const supervisor = await started({ log, drainMs: 1, times: { ...timing, closeMs: 1 } });
  const stop = supervisor.stop();
  nth(1).ends({ code: 0 });
  await stop;
  expect(workers.map(({ told }) => told)).toEqual([['drain'], ['drain', 'kill']]);
  expect(said.mock.calls).toEqual([[{ worker: 2, pid: 2 }, 'a worker did not end in time: it is killed']]);
});

it('kills one that is silent for long, and starts another', async () => {
  await started({ times: { ...timing, hearEveryMs: 5, hangsAfter: 3, backoff: quick } });
  // The reports come too late because the stores are silent. That is no hang.
  nth(1).report = async () => undefined;
  nth(2).ping = async () => false;
  await until(3);
  expect(nth(2).told).toEqual(['kill']);
  expect(nth(3).number).toBe(2);
  // A worker that is still starting need not answer.
  nth(3).ping = async () => false;
  await turn();
  await turn();
  expect(nth(3).told).toEqual([]);
  expect(nth(1).told).toEqual([]);
});

it('shows the sum of those that answer, and of what the others once said', async () => {
  const supervisor = await started();
  const metrics = [3, 4].map((n) => {
    const own = createMetrics(n);
    own.connections.readFrom(() => n);
    own.connectionsOpened.inc(n);
    return own;
  });
  for (const [i, { registry }] of metrics.entries()) nth(i + 1).report = () => samplesOf(registry);
  expect(await nth(1).hears.scrape()).toContain('rowlock_connections 7\n');
  nth(2).report = async () => undefined;
  const alone = await supervisor.scrape();
  expect(alone).toContain('rowlock_connections 3\n');
  expect(alone).toContain('rowlock_workers 1\n');
  expect(alone).toContain('rowlock_connections_opened_total 7\n');
  // The last samples of a worker count although it is draining.
  metrics[1]?.connectionsOpened.inc(10);
  nth(2).hears.last(nth(2), await samplesOf(metrics[1]?.registry ?? createMetrics().registry));
  nth(2).ends({ code: 0 });
  await until(3);
  expect(await supervisor.scrape()).toContain('rowlock_connections_opened_total 17\n');
  // Samples that come after its end are not counted again.
  nth(2).hears.last(nth(2), await samplesOf(metrics[1]?.registry ?? createMetrics().registry));
  expect(await supervisor.scrape()).toContain('rowlock_connections_opened_total 17\n');
});

it('gives a scrape longer than a report, and a report longer than a look at the stores', () => {
  expect(timing.reportMs).toBeGreaterThan(httpLimits.readinessDeadlineMs);
  expect(timing.scrapeMs).toBeGreaterThan(timing.reportMs);
  expect(timing.hearEveryMs).toBeGreaterThan(timing.reportMs);
  expect(timing.hearEveryMs).toBeGreaterThan(timing.pingMs);
});
