import { type App, startApp } from '../app.ts';
import { type Config, readConfig } from '../config.ts';
import { exit } from '../dev/terminal.ts';
import { createLog } from '../observability/log.ts';
import { reasons } from '../observability/reasons.ts';
import { type FromWorker, Questions, type ToWorker, toWorker } from './messages.ts';
import { timing } from './timing.ts';

/*
 * The program of one worker: a whole server on a port that it shares, run by a first process that started it (main.ts). It
 * serves when told where, and drains when told so, when it gets SIGTERM, or when the first process is gone.
 */

const scrapes = new Questions<string>();
let app: App | undefined;
let ending: Promise<void> | undefined;

async function serve(config: Config, place: ToWorker & { type: 'serve' }): Promise<App> {
  const { worker, port, databaseUrl, redisUrl } = place;
  const log = createLog(config.logLevel).child({ worker });
  const scrape = () => scrapes.ask((id) => tell({ type: 'scrape', id }), timing.scrapeMs);
  // The kernel deals connections out evenly, so each takes its share of those that the server may have.
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
    // One that still waits for its stores serves nobody.
    await app?.stop();
    if (app) await tell({ type: 'last', samples: await app.samples() });
    exit(0);
  })();
  return ending;
}

async function report(id: number): Promise<void> {
  await tell({ type: 'report', id, samples: app ? await app.samples() : [] });
}

/** Resolves when it is on its way, or nobody is there to hear it. */
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
// Of a terminal they reach every process: the first one decides what they mean.
for (const signal of ['SIGINT', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.on('SIGTERM', () => void end(config.drainMs));
process.on('disconnect', () => void end(config.drainMs));
process.on('message', (message) => obey(config, toWorker.parse(message)));
