import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Closers } from '../../server/closers.ts';
import { HistoryRecorder } from '../history.ts';
import type { Story } from '../report/data.ts';
import { Storyteller } from '../report/story.ts';
import { mergedHistory } from '../verify/merged.ts';
import type { Order } from './args.ts';
import { type Performance, perform } from './artillery.ts';
import { judge } from './check.ts';
import { type Liar, startLiar } from './liar.ts';
import { readScenario, type Scenario } from './scenario.ts';
import { type Ground, type Stage, setStage } from './stage.ts';
import { HistoryTail } from './tail.ts';
import type { Facts } from './verdict.ts';
import { Watcher } from './watcher.ts';

const resultsDir = fileURLToPath(new URL('../results/', import.meta.url));
/** Less often without a terminal, where each message is a line of its own. */
const PROGRESS_EVERY_MS = process.stderr.isTTY ? 500 : 5_000;
/** The report shows the holders of at most so many seats. */
const MOST_LANES = 2;

export interface Played {
  readonly scenario: Scenario;
  readonly facts: Facts;
  readonly story: Story;
  /** The name of its directory in load/results/. */
  readonly name: string;
  readonly dir: string;
  readonly serverCpuMs: number | undefined;
  readonly tookMs: number;
}

export interface PlayOptions {
  readonly name: string;
  readonly order: Order;
  readonly ground: Ground;
  readonly closers: Closers;
  readonly say: (what: string) => void;
}

/** Plays one scenario, from starting its server to the verdict. */
export async function play({ name, order, ground, closers: outer, say }: PlayOptions): Promise<Played> {
  const fromMs = performance.now();
  const closers = outer.opened(new Closers(), (opened) => opened.close());
  const scenario = await readScenario(name, order);
  if (scenario.variables.lieEveryMs > 0 && ground.redisUrl === undefined) {
    throw new Error(`${name} needs the Redis of the target: --redis-url`);
  }
  const resultName = `${name}${order.quick ? '.quick' : ''}${order.times > 1 ? `.x${order.times}` : ''}`;
  const dir = join(resultsDir, resultName);
  const historyDir = join(dir, 'history');
  await rm(dir, { recursive: true, force: true });
  await mkdir(historyDir, { recursive: true });

  say('starting the server');
  const stage = await setStage(ground, scenario, closers);
  const acted = await act({ scenario, ground, stage, dir, historyDir, closers, say });
  const serverCpuMs = await stage.cpuMs();
  say('verifying');
  const judgement = await judge(historyDir, ground, stage.showId);
  const story = await storyOf(
    historyDir,
    scenario.seatIds.slice(0, scenario.seatIds.length > MOST_LANES ? 1 : MOST_LANES),
  );
  await closers.close();
  const facts = { ...acted, judgement, granted: story.totals.granted };
  return { scenario, facts, story, name: resultName, dir, serverCpuMs, tookMs: performance.now() - fromMs };
}

interface Acting {
  readonly scenario: Scenario;
  readonly ground: Ground;
  readonly stage: Stage;
  readonly dir: string;
  readonly historyDir: string;
  readonly closers: Closers;
  readonly say: (what: string) => void;
}

/** Runs watcher, liar and Artillery. When it resolves, all of them have written their histories. */
async function act({ scenario, ground, stage, dir, historyDir, closers, say }: Acting) {
  const recorder = closers.opened(new HistoryRecorder(historyDir, 'watcher'), async (opened) =>
    opened.close(),
  );
  const watcher = closers.opened(await Watcher.start(stage.target, stage.showId, recorder), (opened) =>
    opened.stop(),
  );
  const liar = await startLying(scenario, ground, stage, recorder, closers);
  const progress = showProgress(historyDir, scenario, liar, say);
  let performed: Performance;
  try {
    const { adminToken } = ground;
    performed = await perform({ scenario, stage, adminToken, historyDir, resultDir: dir, closers });
  } finally {
    progress.stop();
    await liar?.stop();
  }
  say('waiting until all leases have ended');
  await watcher.end();
  recorder.close();
  return { performance: performed, lies: liar?.lies ?? 0, watcherLost: watcher.lost };
}

async function startLying(
  { variables, seatIds }: Scenario,
  { redisUrl }: Ground,
  { showId }: Stage,
  recorder: HistoryRecorder,
  closers: Closers,
): Promise<Liar | undefined> {
  if (variables.lieEveryMs === 0 || redisUrl === undefined) return undefined;
  const liar = await startLiar({ redisUrl, showId, seatIds, everyMs: variables.lieEveryMs, recorder });
  return closers.opened(liar, (opened) => opened.stop());
}

function showProgress(
  historyDir: string,
  scenario: Scenario,
  liar: Liar | undefined,
  say: (what: string) => void,
) {
  const tail = new HistoryTail(historyDir);
  let looking = false;
  const look = async () => {
    if (looking) return;
    looking = true;
    const { users, granted, refused, booked } = await tail.look().finally(() => {
      looking = false;
    });
    const lies = liar ? `, ${liar.lies} lies` : '';
    const { runS } = scenario.variables;
    say(
      `of a run of ${runS} s: ${users} logins, ${granted} grants, ${refused} refusals, ${booked} confirmed${lies}`,
    );
  };
  const timer = setInterval(() => void look().catch(() => undefined), PROGRESS_EVERY_MS);
  return { stop: () => clearInterval(timer) };
}

async function storyOf(historyDir: string, seatIds: readonly string[]): Promise<Story> {
  const teller = new Storyteller(seatIds);
  for await (const lines of mergedHistory(historyDir)) for (const line of lines) teller.tell(line);
  return teller.end();
}
