import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { HistoryRecorder, machineMs } from '../history.ts';
import { type Verdict, verify } from '../verify/verify.ts';
import { writeEnd } from './end.ts';
import type { Fault, Scene } from './faults/fault.ts';
import { createShow, type Ground, Recovery } from './ground/ground.ts';
import { type Judged, judgeBounds } from './judge.ts';
import { type Moment, planOf } from './plan.ts';
import type { Players } from './players/start.ts';
import type { Tally } from './players/tally.ts';
import { Random } from './random.ts';

const SHOWS = 3;
const BUYERS = 40;
/** Whose program is the client. */
const REGULARS = 8;
const WATCHERS = 2;
/** More than all buyers together take, so that there is something to sell until the last strike. */
const SEATS_PER_S = 400;
const LEAST_SEATS = 6_000;
const PROBE_SEATS = 4_000;
/** The load goes on this long after the last recovery. */
const GOES_ON_MS = 500;
const MAX_RESIDENT_KIB = 800 * 1024;

export interface RowOptions {
  readonly fault: Fault;
  readonly seed: number;
  readonly seconds: number;
  readonly ground: Ground;
  readonly players: Players;
  readonly historyDir: string;
  readonly say: (what: string) => void;
}

/** What came of one row of the matrix. */
export interface RowResult {
  readonly name: string;
  readonly row: string;
  readonly plan: readonly Moment[];
  /** Why it was not injected. */
  readonly missing?: string | undefined;
  readonly fired: number;
  readonly tally: Tally;
  /** Worst of all strikes. */
  readonly recoveryMs: number;
  readonly problems: readonly string[];
  /** What could not be judged here, and why. */
  readonly notJudged: readonly string[];
  readonly verdict: Verdict;
  readonly violations: number;
  readonly tookMs: number;
}

/** One fault from an empty show to the judgement; the stores and servers were there before and are there afterwards. */
export async function playRow(options: RowOptions): Promise<RowResult> {
  const { fault, seed, seconds, ground, players, historyDir, say } = options;
  const fromMs = performance.now();
  await rm(historyDir, { recursive: true, force: true });
  await mkdir(historyDir, { recursive: true });
  const seats = Math.max(LEAST_SEATS, seconds * SEATS_PER_S);
  const { showIds, recovery } = await openShows(ground, fault.name, seed, seats);
  let restore: (() => Promise<void>) | undefined;
  try {
    restore = await fault.prepare?.(ground);
    if ((await recovery.of(ground.servers)) === undefined)
      throw new Error('the servers did not take to the stage');
    const plan = planOf(seed, fault.name, fault.span, seconds);
    const recorder = new HistoryRecorder(historyDir, 'faults');
    const struck = await strikeAll({ ...options, showIds, seats, recovery, plan, recorder });
    say('ending the load');
    const tally = await players.call('settle');
    struck.judged(judgeRow(fault, tally));
    const problems = [
      ...struck.problems,
      ...tally.problems,
      ...(await checkGround(ground, struck.deadlocks)),
    ];
    await writeEnd(ground, showIds, recorder);
    await players.call('end');
    recorder.close();
    say('verifying');
    const { databaseUrl } = ground.stores;
    // Asked for now: after a failover the ground's Redis is another one than in the beginning.
    const redisUrl = ground.servers[0].otherRedisUrl ?? ground.redis.url;
    const verdict = await verify({ historyDir, databaseUrl, redisUrl });
    const found = Object.values(verdict.kinds).reduce((total, { count }) => total + count, 0);
    const tookMs = performance.now() - fromMs;
    const { name, row } = fault;
    const violations = found + problems.length;
    const { fired, recoveryMs, notJudged } = struck;
    return { name, row, plan, fired, recoveryMs, notJudged, tally, problems, verdict, violations, tookMs };
  } finally {
    await restore?.();
    await recovery.of(ground.servers);
  }
}

async function openShows(ground: Ground, name: string, seed: number, seats: number) {
  const run = `${name}-${seed.toString(36)}-${Date.now().toString(36)}`;
  const showIds = Array.from({ length: SHOWS }, (_, i) => `${run}-${i}`);
  for (const showId of showIds) await createShow(ground, showId, seats);
  const probeId = `${run}-probe`;
  await createShow(ground, probeId, PROBE_SEATS);
  return { showIds, recovery: new Recovery(probeId, PROBE_SEATS) };
}

interface Striking extends RowOptions {
  readonly showIds: readonly string[];
  /** Of each show. */
  readonly seats: number;
  readonly recovery: Recovery;
  readonly plan: readonly Moment[];
  readonly recorder: HistoryRecorder;
}

async function strikeAll({ showIds, seats, recovery, plan, recorder, ...options }: Striking) {
  const { fault, seed, seconds, ground, players, historyDir, say } = options;
  const problems: string[] = [];
  const notJudged: string[] = [];
  const judged = (verdict: Judged) => {
    if (verdict === undefined) return;
    if ('problem' in verdict) problems.push(verdict.problem);
    else notJudged.push(verdict.notJudged);
  };
  const deadlocks = await deadlocksOf(ground);
  await players.call('begin', {
    ...{ servers: ground.servers.map(({ ws }) => ws), adminToken: ground.stores.adminToken, showIds },
    ...{ seats, historyDir, prefix: 'p', seed },
    ...{ buyers: BUYERS, regulars: REGULARS, watchers: WATCHERS },
    twinsPercent: fault.twinsPercent ?? 0,
  });
  const beganMs = performance.now();
  let fired = 0;
  let recoveryMs = 0;
  for (const [i, moment] of plan.entries()) {
    await pause(Math.max(0, moment.atMs - (performance.now() - beganMs)));
    const { operations } = await players.call('tally');
    say(`${operations} operations, strike ${i + 1} of ${plan.length}`);
    const scene: Scene = {
      ...{ ground, players, showIds, moment, recorder, historyDir, random: new Random(moment.seed) },
      problem: (what) => problems.push(what),
      judged,
    };
    const ms = machineMs();
    if (await fault.strike(scene)) fired += 1;
    const tookMs = await recovery.of(ground.servers);
    if (tookMs === undefined) problems.push('it did not recover without a restart');
    recoveryMs = Math.max(recoveryMs, tookMs ?? Number.POSITIVE_INFINITY);
    const { forgets = false, prolongsMs, touches = ['leases'] } = fault;
    const prolongs = prolongsMs === undefined ? {} : { prolongsMs };
    recorder.fault({ ms, name: fault.name, forgets, touches, ...prolongs });
  }
  await pause(Math.max(GOES_ON_MS, seconds * 1_000 - (performance.now() - beganMs)));
  return { fired, recoveryMs, problems, notJudged, judged, deadlocks };
}

/** Every reply came by when the configuration says. */
function judgeRow({ forgets, stops, span }: Fault, { slowestMs, stallMs }: Tally): Judged {
  return judgeBounds({ forgets }, slowestMs, { pausedMs: stops ? span.lengthMs[1] : 0, stallMs });
}

/** What the stores and servers themselves must say afterwards. */
async function checkGround(ground: Ground, deadlocksBefore: number): Promise<string[]> {
  const problems: string[] = [];
  // A Postgres that died has begun to count anew.
  const deadlocks = await deadlocksOf(ground);
  if (deadlocks > deadlocksBefore) problems.push(`${deadlocks - deadlocksBefore} deadlocks`);
  for (const server of ground.servers) {
    const kib = await server.resident();
    if (kib > MAX_RESIDENT_KIB) problems.push(`a server uses ${Math.round(kib / 1024)} MiB`);
  }
  return problems;
}

async function deadlocksOf({ postgres }: Ground): Promise<number> {
  const text = 'SELECT deadlocks::int AS deadlocks FROM pg_stat_database WHERE datname = current_database()';
  return Number((await postgres.query(text))[0]?.['deadlocks'] ?? 0);
}

export const resultsOf = (dir: string, name: string): string => join(dir, name, 'history');
