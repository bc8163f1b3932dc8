/** npm run load -- <scenario|all|ci>: plays races against a server, has them judged, and says what came out. */
import { Closers } from '../server/closers.ts';
import { describeMachine } from './bench/kit/machine.ts';
import { progress } from './bench/kit/progress.ts';
import { writeReport } from './report/write.ts';
import { type Order, parseOrder } from './run/args.ts';
import { play } from './run/play.ts';
import { reportOf } from './run/report.ts';
import { screenOf } from './run/screen.ts';
import { prepareGround } from './run/stage.ts';
import { verdictOf } from './run/verdict.ts';

const FORCE_AFTER_MS = 30_000;

const closers = new Closers();
let interrupted = false;

async function main(): Promise<number> {
  const parsed = parseOrder(process.argv.slice(2));
  if (!parsed.ok) return fail(parsed.problem);
  const { order } = parsed;
  progress(order.target === undefined ? 'starting PostgreSQL and Redis' : 'looking at the target');
  const ground = await prepareGround(order, closers);
  let worst = 0;
  for (const name of order.names) {
    const code = await playOne(name, order, ground);
    if (code !== 0) worst = code;
    if (interrupted) break;
  }
  return worst;
}

async function playOne(name: string, order: Order, ground: Awaited<ReturnType<typeof prepareGround>>) {
  const fromMs = performance.now();
  const say = (what: string) => {
    if (!interrupted) progress(`${name}, ${Math.round((performance.now() - fromMs) / 1000)} s: ${what}`);
  };
  const machine = describeMachine();
  const played = await play({ name, order, ground, closers, say });
  await writeReport(played.dir, reportOf(played, machine));
  progress('');
  process.stdout.write(`${screenOf(played)}\n\n`);
  return verdictOf(played.scenario, played.facts) === 'clean' ? 0 : 1;
}

function fail(message: string): number {
  process.stderr.write(`${message}\n`);
  return 1;
}

async function end(code: number): Promise<never> {
  setTimeout(() => process.exit(code || 1), FORCE_AFTER_MS).unref();
  await closers.close().catch(() => undefined);
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // npm passes on what the terminal has sent already.
    if (interrupted) return;
    interrupted = true;
    progress('ending what was started');
    void end(130);
  });
}

await main()
  .catch((error: unknown) => {
    progress('');
    return interrupted ? 130 : fail(`load: ${error instanceof Error ? error.message : error}`);
  })
  .then((code) => interrupted || end(code));
