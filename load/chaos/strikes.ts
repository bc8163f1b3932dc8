import { setTimeout as pause } from 'node:timers/promises';
import { type HistoryRecorder, machineMs } from '../history.ts';
import type { Fault, Scene } from './faults/fault.ts';
import type { Ground, Recovery } from './ground/ground.ts';
import type { Moment, Strike } from './plan.ts';
import type { Players } from './players/start.ts';
import { Random } from './random.ts';
import type { Remarks } from './remarks.ts';

/** How long the load goes on after the last recovery. */
const GOES_ON_MS = 500;

/** What the strikes of one fault need. */
export interface Stage {
  readonly fault: Fault;
  readonly seconds: number;
  readonly ground: Ground;
  readonly players: Players;
  readonly historyDir: string;
  readonly showIds: readonly string[];
  readonly recovery: Recovery;
  readonly recorder: HistoryRecorder;
  readonly remarks: Remarks;
  readonly say: (what: string) => void;
}

/** To be called when the load has begun. Each strike waits until the servers have recovered from the previous one. */
export async function strikeAll(stage: Stage, plan: readonly Moment[]): Promise<Strike[]> {
  const { players, seconds, say } = stage;
  const beganMs = performance.now();
  const sinceMs = () => performance.now() - beganMs;
  const strikes: Strike[] = [];
  for (const moment of plan) {
    await pause(Math.max(0, moment.atMs - sinceMs()));
    const { operations } = await players.call('tally');
    say(`${operations} operations, strike ${strikes.length + 1} of ${plan.length}`);
    const atMs = sinceMs();
    strikes.push({ moment, atMs, ...(await strike(stage, moment)) });
  }
  await pause(Math.max(GOES_ON_MS, seconds * 1_000 - sinceMs()));
  return strikes;
}

async function strike(stage: Stage, moment: Moment): Promise<Omit<Strike, 'moment' | 'atMs'>> {
  const { fault, ground, recovery, remarks } = stage;
  const ms = machineMs();
  const fired = await fault.strike(sceneOf(stage, moment));
  const tookMs = machineMs() - ms;
  const recoveryMs = await recovery.of(ground.servers);
  if (recoveryMs === undefined) remarks.problem('it did not recover without a restart');
  note(stage, ms);
  return { fired, tookMs, recoveryMs: recoveryMs ?? Number.POSITIVE_INFINITY };
}

const sceneOf = (
  { ground, players, showIds, recorder, historyDir, remarks }: Stage,
  moment: Moment,
): Scene => ({
  ground,
  players,
  showIds,
  moment,
  recorder,
  historyDir,
  random: new Random(moment.seed),
  problem: (what) => remarks.problem(what),
  judged: (verdict) => remarks.judged(verdict),
});

/** Records what a strike that began at `ms` may have done to leases and sockets until now. */
function note({ fault, recorder }: Stage, ms: number): void {
  const { name, forgets = false, prolongsMs, touches = ['leases'] } = fault;
  const prolongs = prolongsMs === undefined ? {} : { prolongsMs };
  recorder.fault({ ms, name, forgets, touches, ...prolongs });
}
