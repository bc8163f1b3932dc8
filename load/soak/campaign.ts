import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { Closers } from '../../server/closers.ts';
import { startServer } from '../bench/kit/servers.ts';
import { openServices } from '../bench/kit/services.ts';
import { seatsOf } from '../flows/settings.ts';
import { Tally } from '../flows/tally.ts';
import { HistoryRecorder } from '../history.ts';
import { Watcher } from '../run/watcher.ts';
import { type Verdict, verify } from '../verify/verify.ts';
import { bounds, type Sample, type Trend, trendsOf } from './bounds.ts';
import { crowdOf, variablesOf } from './customers.ts';
import { Dice } from './dice.ts';
import { Sampler } from './sampler.ts';

const SHOWS = ['early', 'late'];
const ADMIN_TOKEN = 'the-admin-of-the-soak';
const SAMPLE_EVERY_MS = 5_000;
/** Short runs take samples more often, so that there are enough to compare. */
const SAMPLES_AT_LEAST = 20;
/** Keys of a show without leases: position, log, versions, and the queue of ends until the last one is swept. */
const KEYS_PER_SHOW = 4;
const QUIET_WITHIN_MS = 15_000;
/** How much larger the live heap may be at the end of the run than a fifth through, both times with customers. */
const LIVE_HEAP_GROWTH_MIB = 8;

const server = {
  RESUME_GRACE_MS: '1000',
  LEASE_TTL_MS: '2000',
  ADMIN_TOKEN,
};

export interface Order {
  readonly minutes: number;
  readonly seed: number;
  readonly dir: string;
}

export interface Facts {
  readonly tookMs: number;
  readonly samples: readonly Sample[];
  readonly trends: readonly Trend[];
  /** After all customers had left. */
  readonly after: Sample;
  readonly before: Sample;
  /** After a fifth of the run, and at its end. */
  readonly liveHeapMib: readonly [number, number];
  readonly serverCores: number;
  readonly customersCores: number;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
  /** Sentences that say what is wrong. */
  readonly wrongs: readonly string[];
}

export interface Tools {
  readonly closers: Closers;
  readonly say: (what: string) => void;
}

/** Customers come and go for a time. Then checks what they have left behind, and what they have seen. */
export async function soak(order: Order, { closers, say }: Tools): Promise<Facts> {
  const historyDir = join(order.dir, 'history');
  await rm(order.dir, { recursive: true, force: true });
  await mkdir(historyDir, { recursive: true });
  say('starting PostgreSQL, Redis and the server');
  const services = await openServices(closers);
  const { process: child, address } = await startServer(services, [], server);
  closers.opened(child, (opened) => opened.stop());
  const target = `ws://${address.host}:${address.port}/ws`;
  const sampler = await Sampler.open(services, child, closers);

  const recorder = closers.opened(new HistoryRecorder(historyDir, 'customers'), async (opened) =>
    opened.close(),
  );
  const sales = SHOWS.map((showId) => ({ target, adminToken: ADMIN_TOKEN, showId, historyDir, ...order }));
  for (const sale of sales) await services.createShow(sale.showId, seatsOf(variablesOf(sale)), []);
  const before = await sampler.sample(0);
  const counts = new Map<string, number>();
  const tally = new Tally({
    emit: (kind, name, by) => void (kind === 'counter' && counts.set(name, (counts.get(name) ?? 0) + by)),
  });
  const witnesses = [];
  for (const { showId } of sales) {
    const own = new HistoryRecorder(historyDir, `witness-${showId}`);
    const witness = await Watcher.start(target, showId, own, `witness-${showId}`);
    witnesses.push({ own, witness: closers.opened(witness, (opened) => opened.stop()) });
  }

  const fromMs = performance.now();
  const cpuFrom = { server: await sampler.cpuMs(), own: process.cpuUsage() };
  const dice = new Dice(order.seed);
  const crowds = Promise.all(sales.map((sale) => crowdOf({ sale, recorder, tally, dice: dice.another() })));
  const { samples, liveFrom } = await watchOver(order, sampler, counts, say);
  const liveUntil = await sampler.liveHeapMib();
  await crowds;
  const tookMs = performance.now() - fromMs;
  const used = process.cpuUsage(cpuFrom.own);
  const serverCores = ((await sampler.cpuMs()) - cpuFrom.server) / tookMs;

  say('waiting until all leases have ended');
  for (const { witness, own } of witnesses) {
    await witness.end();
    own.close();
  }
  recorder.close();
  const after = await quiet(sampler, before);
  say('verifying');
  const verdict = await verify({
    historyDir,
    databaseUrl: services.databaseUrl,
    redisUrl: services.redisUrl,
  });
  const facts = {
    tookMs,
    samples,
    trends: trendsOf(samples),
    before,
    after,
    liveHeapMib: [liveFrom, liveUntil] as const,
    serverCores,
    customersCores: (used.user + used.system) / 1000 / tookMs,
    outcomes: Object.fromEntries([...counts].sort(([a], [b]) => a.localeCompare(b))),
    verdict,
  };
  const lost = witnesses.flatMap(({ witness: { lost: why } }) => (why === undefined ? [] : [why]));
  return { ...facts, wrongs: [...wrongsOf(facts), ...lost.map((why) => `a witness was cut off: ${why}`)] };
}

/** Samples until the time is over. */
async function watchOver(
  { minutes }: Order,
  sampler: Sampler,
  counts: ReadonlyMap<string, number>,
  say: (what: string) => void,
): Promise<{ samples: Sample[]; liveFrom: number }> {
  const lengthMs = minutes * 60_000;
  const everyMs = Math.min(SAMPLE_EVERY_MS, lengthMs / SAMPLES_AT_LEAST);
  const fromMs = performance.now();
  const samples: Sample[] = [];
  let liveFrom = Number.NaN;
  for (let at = everyMs; at <= lengthMs; at += everyMs) {
    await pause(Math.max(0, fromMs + at - performance.now()));
    const sample = await sampler.sample(performance.now() - fromMs);
    samples.push(sample);
    if (Number.isNaN(liveFrom) && at >= lengthMs / 5) liveFrom = await sampler.liveHeapMib();
    const done = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const { residentMib, handles, redisKeys, postgresSessions } = sample;
    say(
      `of ${minutes} min: ${done} outcomes; ${residentMib.toFixed(0)} MiB, ${handles} handles, ${redisKeys} keys, ${postgresSessions} sessions`,
    );
  }
  return { samples, liveFrom };
}

/** Waits until no lease and no connection is left after all customers have gone. */
async function quiet(sampler: Sampler, before: Sample): Promise<Sample> {
  const endMs = performance.now() + QUIET_WITHIN_MS;
  for (;;) {
    const sample = await sampler.sample(0);
    if (leftBehind(before, sample).length === 0 || performance.now() > endMs) return sample;
    await pause(200);
  }
}

/** Sentences that name what should be gone after the last customer has left. */
export function leftBehind(before: Sample, after: Sample): string[] {
  const wrongs: string[] = [];
  const keys = KEYS_PER_SHOW * SHOWS.length;
  if (after.redisKeys > keys) wrongs.push(`${after.redisKeys} Redis keys are left, ${keys} expected at most`);
  // Connections that the pools have opened meanwhile are no leak: they are opened when needed, and kept.
  const handles = before.handles + Math.max(0, after.postgresSessions - before.postgresSessions);
  if (after.handles > handles + bounds.handles.growth)
    wrongs.push(`${after.handles} file handles are left, ${handles} expected`);
  return wrongs;
}

function wrongsOf(facts: Omit<Facts, 'wrongs'>): string[] {
  const { trends, before, after, liveHeapMib, outcomes, verdict } = facts;
  const [liveFrom, liveUntil] = liveHeapMib;
  const total = Object.values(verdict.kinds).reduce((sum, { count }) => sum + count, 0);
  const bad = Object.entries(outcomes).filter(([name]) => !name.startsWith('expected.'));
  return [
    ...trends
      .filter(({ verdict: grew }) => grew === 'GREW')
      .map(({ measure }) => `${bounds[measure].name} grew`),
    ...leftBehind(before, after),
    ...(liveUntil <= liveFrom + LIVE_HEAP_GROWTH_MIB
      ? []
      : [`live heap grew from ${liveFrom.toFixed(1)} to ${liveUntil.toFixed(1)} MiB`]),
    ...bad.map(([name, count]) => `${name}: ${count}`),
    ...(total === 0 ? [] : [`${total} violations`]),
    ...(['held', 'confirmed', 'refunded', 'renewed', 'released'] as const)
      .filter((name) => (outcomes[`expected.${name}`] ?? 0) === 0)
      .map((name) => `nobody was ${name}: the run proves nothing`),
  ];
}
