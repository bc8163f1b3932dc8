import { type ChildProcess, spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { Closers } from '../../server/closers.ts';
import { cpuMsOf } from '../bench/kit/cpu.ts';
import type { Scenario } from './scenario.ts';
import type { Stage } from './stage.ts';

const program = fileURLToPath(new URL('../../bin/run', import.meta.resolve('artillery')));
const projectDir = fileURLToPath(new URL('../../', import.meta.url));
const USAGE_EVERY_MS = 500;
const END_WITHIN_MS = 5_000;
/** How much longer than the run Artillery may take: to start, to wait for the last replies, and to write its report. */
const SPARE_MS = 60_000;
const KEPT_CHARS = 20_000;

export interface ArtilleryOptions {
  readonly scenario: Scenario;
  readonly stage: Stage;
  readonly adminToken: string;
  readonly historyDir: string;
  /** The directory for Artillery's own report. */
  readonly resultDir: string;
  readonly closers: Closers;
}

export interface Performance {
  readonly exitCode: number | null;
  readonly counters: Readonly<Record<string, number>>;
  /** The end of its output, to be shown if the run failed. */
  readonly said: string;
  /** Processor time of Artillery, all threads. */
  readonly cpuMs: number | undefined;
  readonly tookMs: number;
}

const output = z.object({ aggregate: z.object({ counters: z.record(z.string(), z.number()).default({}) }) });

/** Runs Artillery with the scenario, as a process with a deadline. */
export async function perform(options: ArtilleryOptions): Promise<Performance> {
  const { scenario, resultDir, closers } = options;
  const report = join(resultDir, 'artillery.json');
  const fromMs = performance.now();
  const child = start(options, report);
  closers.opened(child, end);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-KEPT_CHARS);
    });
  }
  let cpuMs: number | undefined;
  const usage = setInterval(() => {
    cpuMs = cpuMsOf(child.pid ?? 0) ?? cpuMs;
  }, USAGE_EVERY_MS);
  const { runS, users, rampPerS } = scenario.variables;
  const late = setTimeout(() => child.kill('SIGKILL'), (runS + users / rampPerS) * 1000 + SPARE_MS);
  const exitCode = await new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('close', resolve);
  });
  clearInterval(usage);
  clearTimeout(late);
  const tookMs = performance.now() - fromMs;
  return { exitCode, counters: await countersOf(report), said, cpuMs, tookMs };
}

function start({ scenario, stage, adminToken, historyDir }: ArtilleryOptions, report: string): ChildProcess {
  const { users, rampPerS } = scenario.variables;
  const variables = {
    ...scenario.variables,
    showId: stage.showId,
    // Artillery counts phases in whole seconds.
    rampS: Math.max(1, Math.round(users / rampPerS)),
  };
  const environment = {
    ARTILLERY_DISABLE_TELEMETRY: 'true',
    ROWLOCK_TARGET: stage.target,
    ROWLOCK_HISTORY: historyDir,
    ROWLOCK_ADMIN_TOKEN: adminToken,
  };
  const set = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  const command = [process.execPath, program, 'run', scenario.file, '--output', report];
  return spawn('env', [...set, ...command, '--variables', JSON.stringify(variables)], {
    cwd: projectDir,
    stdio: ['ignore', 'pipe', 'pipe'],
    // In its own process group, so that Ctrl-C reaches only this process, which then closes everything in order.
    detached: true,
  });
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), END_WITHIN_MS);
  await ended;
  clearTimeout(timer);
}

/** Empty if Artillery ended before it wrote its report. */
async function countersOf(report: string): Promise<Record<string, number>> {
  const text = await readFile(report, 'utf8').catch(() => undefined);
  return text === undefined ? {} : output.parse(JSON.parse(text)).aggregate.counters;
}
