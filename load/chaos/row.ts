import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HistoryRecorder } from '../history.ts';
import { type Verdict, verify } from '../verify/verify.ts';
import { LEASES_END_WITHIN_MS, writeEnd } from './end.ts';
import type { Fault } from './faults/fault.ts';
import { createShow, type Ground, Recovery } from './ground/ground.ts';
import { type Judged, judgeBounds } from './judge.ts';
import { planOf, type Strike } from './plan.ts';
import type { Players } from './players/start.ts';
import type { Tally } from './players/tally.ts';
import { Remarks } from './remarks.ts';
import { type Stage, strikeAll } from './strikes.ts';

const SHOWS = 3;
const BUYERS = 40;
/** How many players use the client library. */
const REGULARS = 8;
const WATCHERS = 2;
/** More than all buyers together can buy, so that there are free seats until the last strike. */
const SEATS_PER_S = 400;
const LEAST_SEATS = 6_000;
const PROBE_SEATS = 4_000;
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

/** The result of one row of the matrix. */
export interface RowResult {
  readonly name: string;
  readonly row: string;
  readonly strikes: readonly Strike[];
  /** The reason why the fault was not injected. */
  readonly missing?: string | undefined;
  readonly fired: number;
  readonly tally: Tally;
  /** The longest recovery of all strikes. */
  readonly recoveryMs: number;
  readonly problems: readonly string[];
  /** What could not be judged, and why. */
  readonly notJudged: readonly string[];
  readonly verdict: Verdict;
  readonly violations: number;
  readonly tookMs: number;
}

/** Plays one fault, from new shows to the verdict. Stores and servers exist before and afterwards. */
export async function playRow(options: RowOptions): Promise<RowResult> {
  const { fault, seed, seconds, ground } = options;
  const fromMs = performance.now();
  const stage = await openStage(options);
  let restore: (() => Promise<void>) | undefined;
  try {
    restore = await fault.prepare?.(ground);
    if ((await stage.recovery.of(ground.servers)) === undefined)
      throw new Error('the servers did not take to the stage');
    const deadlocks = await deadlocksOf(ground);
    await beginLoad(options, stage);
    const strikes = await strikeAll(stage, planOf(seed, fault.name, fault.span, seconds));
    const tally = await endLoad(stage, deadlocks);
    const verdict = await judgeAll(stage);
    return resultOf(stage, { strikes, tally, verdict, tookMs: performance.now() - fromMs });
  } finally {
    await restore?.();
    await stage.recovery.of(ground.servers);
  }
}

async function openStage({ fault, seed, seconds, ground, players, historyDir, say }: RowOptions) {
  await rm(historyDir, { recursive: true, force: true });
  await mkdir(historyDir, { recursive: true });
  const seats = Math.max(LEAST_SEATS, seconds * SEATS_PER_S);
  const run = `${fault.name}-${seed.toString(36)}-${Date.now().toString(36)}`;
  const showIds = Array.from({ length: SHOWS }, (_, i) => `${run}-${i}`);
  for (const showId of showIds) await createShow(ground, showId, seats);
  const probeId = `${run}-probe`;
  await createShow(ground, probeId, PROBE_SEATS);
  const recovery = new Recovery(probeId, PROBE_SEATS);
  const recorder = new HistoryRecorder(historyDir, 'faults');
  const remarks = new Remarks();
  return { fault, seconds, ground, players, historyDir, say, seats, showIds, recovery, recorder, remarks };
}

async function beginLoad({ seed }: RowOptions, stage: Stage & { seats: number }): Promise<void> {
  const { fault, ground, players, showIds, seats, historyDir } = stage;
  await players.call('begin', {
    servers: ground.servers.map(({ ws }) => ws),
    adminToken: ground.stores.adminToken,
    showIds,
    seats,
    historyDir,
    prefix: 'p',
    seed,
    buyers: BUYERS,
    regulars: REGULARS,
    watchers: WATCHERS,
    twinsPercent: fault.twinsPercent ?? 0,
  });
}

/** Waits until all outcomes are known, and records the final maps. */
async function endLoad(stage: Stage, deadlocksBefore: number): Promise<Tally> {
  const { fault, ground, players, showIds, recorder, remarks, say } = stage;
  say('ending the load');
  const tally = await players.call('settle');
  remarks.judged(judgeRow(fault, tally));
  remarks.problems.push(...tally.problems, ...(await checkGround(ground, deadlocksBefore)));
  remarks.problems.push(...judgeLeft(await writeEnd(ground, showIds, recorder), fault));
  await players.call('end');
  recorder.close();
  return tally;
}

/** Kills PostgreSQL before its tables are read, because what was confirmed must be on the disk. */
async function judgeAll({ ground, historyDir, say }: Stage): Promise<Verdict> {
  say('killing PostgreSQL, and verifying');
  await ground.postgres.dieAndReturn();
  const { databaseUrl } = ground.stores;
  // Read only now, because after a failover the ground has another Redis.
  const redisUrl = ground.servers[0].otherRedisUrl ?? ground.redis.url;
  return verify({ historyDir, databaseUrl, redisUrl });
}

type Played = Pick<RowResult, 'strikes' | 'tally' | 'verdict' | 'tookMs'>;

function resultOf(
  { fault: { name, row }, remarks: { problems, notJudged } }: Stage,
  played: Played,
): RowResult {
  const { strikes, verdict } = played;
  const found = Object.values(verdict.kinds).reduce((total, { count }) => total + count, 0);
  return {
    ...played,
    name,
    row,
    fired: strikes.filter(({ fired }) => fired).length,
    recoveryMs: Math.max(...strikes.map(({ recoveryMs }) => recoveryMs)),
    problems,
    notJudged,
    violations: found + problems.length,
  };
}

/** Checks that all replies came within the times that follow from the configuration. */
function judgeRow({ forgets, stops, span }: Fault, { slowestMs, stallMs }: Tally): Judged {
  return judgeBounds({ forgets }, slowestMs, { pausedMs: stops ? span.lengthMs[1] : 0, stallMs });
}

/** After all players have gone no seat may be held, unless a clock was so wrong that waiting for the end would take too long. */
const judgeLeft = (left: number, { prolongsMs = 0 }: Fault): string[] =>
  left === 0 || prolongsMs > LEASES_END_WITHIN_MS ? [] : [`${left} seats are held, and nobody is there`];

/** Checks what the stores and servers themselves say afterwards. */
async function checkGround(ground: Ground, deadlocksBefore: number): Promise<string[]> {
  const problems: string[] = [];
  // After PostgreSQL has died it counts from 0 again.
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
