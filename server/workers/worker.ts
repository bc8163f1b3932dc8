import { type App, startApp } from '../app.ts';
import { type Config, readConfig } from '../config.ts';
import { exit } from '../dev/terminal.ts';
import { createLog } from '../observability/log.ts';
import { reasons } from '../observability/reasons.ts';
import { type FromWorker, Questions, type ToWorker, toWorker } from './messages.ts';
import { timing } from './timing.ts';

/*
 * The program of one worker: a whole server, on a port that it shares with the other workers. The first process (main.ts) starts
 * it and tells it where to serve. It drains when the first process says so or is gone, and on SIGTERM.
 */

const scrapes = new Questions<string>();
let app: App | undefined;
let ending: Promise<void> | undefined;

async function serve(config: Config, place: ToWorker & { type: 'serve' }): Promise<App> {
  const { worker, port, databaseUrl, redisUrl } = place;
  const log = createLog(config.logLevel).child({ worker });
  const scrape = () => scrapes.ask((id) => tell({ type: 'scrape', id }), timing.scrapeMs);
  // The kernel distributes connections evenly, so each worker may have an equal share of them.
  const maxSessions = Math.ceil(config.maxSessions / config.workers);
  const own = { ...config, port, databaseUrl, redisUrl, maxSessions };
  return startApp(own, log, { worker, scrape });
}

async function start(config: Config, place: ToWorker & { type: 'serve' }): Promise<void> {
  try {
    app = await serve(config, place);
    await tell({ type: 'listening' });
  } catch (error) {
    await tell({ type: 'failed', reason: reasons(error) });
    exit(1);
  }
}

function end(drainMs: number): Promise<void> {
  ending ??= (async () => {
    setTimeout(() => exit(1), drainMs + timing.closeMs).unref();
    // Without an app it is still waiting for its stores and has no clients, so there is nothing to drain.
    await app?.stop();
    if (app) await tell({ type: 'last', samples: await app.samples() });
    exit(0);
  })();
  return ending;
}

async function report(id: number): Promise<void> {
  await tell({ type: 'report', id, samples: app ? await app.samples() : [] });
}

/** Resolves when the message has been sent, or the first process is gone. */
function tell(message: FromWorker): Promise<void> {
  return new Promise((resolve) => {
    if (process.send === undefined || !process.connected) return resolve();
    process.send(message, undefined, undefined, () => resolve());
  });
}

function obey(config: Config, message: ToWorker): void {
  switch (message.type) {
    case 'serve':
      void start(config, message);
      break;
    case 'drain':
      void end(config.drainMs);
      break;
    case 'ping':
      void tell({ type: 'pong', id: message.id });
      break;
    case 'ask':
      void report(message.id);
      break;
    case 'scraped':
      scrapes.answered(message.id, message.text);
      break;
  }
}

const read = readConfig();
if (!read.ok) throw new Error(read.problems.join('; '));
const { config } = read;
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
// Ignored, because a terminal sends them to all processes. The first process decides what they mean.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('SIGTERM', () => void end(config.drainMs));
process.on('disconnect', () => void end(config.drainMs));
process.on('message', (message) => obey(config, toWorker.parse(message)));
