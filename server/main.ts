import { relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startApp } from './app.ts';
import { type Config, readConfig, startedByNpm, withoutPassword } from './config.ts';
import { createDemoShow } from './dev/demo.ts';
import { checkAddress } from './dev/port.ts';
import { ServiceError } from './dev/process.ts';
import { type Services, startServices } from './dev/start.ts';
import { exit, isAtTerminal } from './dev/terminal.ts';
import { createLog, type Log } from './observability/log.ts';
import { reasons } from './observability/reasons.ts';
import type { AppConfig } from './rooms.ts';
import { migrate } from './stores/migrate.ts';
import { isFinal } from './stores/postgres.ts';
import { postgresHosts } from './stores/postgres-url.ts';
import { type Wait, whenReachable } from './stores/reachable.ts';
import { startWorkers } from './workers/workers.ts';

/*
 * npm start: services where none are given, schema, demo show, server: in this process, or in WORKERS of them that this one
 * looks after. What was opened is closed in reverse order, also when the start fails half-way. Whatever keeps it from
 * starting is one line and exit 1.
 */

/** What the embedded services may take to end, ten seconds each. */
const PATIENCE_MS = 25_000;

const closers: (() => Promise<void>)[] = [];
let ending: Promise<void> | undefined;
let restart: (() => Promise<void>) | undefined;

async function start(config: Config, log: Log): Promise<void> {
  await checkAddress(config.host, config.port);
  const onLost = (name: string) => log.error(`the embedded ${name} has ended: start the server again`);
  const services = await startServices(config, onLost);
  closers.push(services.stop);

  await prepareDatabase(services.databaseUrl, { startWaitMs: config.startWaitMs, log });
  const { databaseUrl, redisUrl } = services;
  const port = await serve({ ...config, databaseUrl, redisUrl }, log);
  process.stdout.write(greeting(config, services, port));
}

async function serve(config: AppConfig, log: Log): Promise<number> {
  if (config.workers === 1) {
    const app = await startApp(config, log);
    closers.push(app.stop);
    return app.port;
  }
  const workers = await startWorkers(config, log, (reason) => {
    complain(reason);
    void end(1, config.drainMs + PATIENCE_MS);
  });
  closers.push(workers.stop);
  restart = workers.restart;
  return workers.port;
}

async function prepareDatabase(url: string, wait: Wait): Promise<void> {
  const store = `PostgreSQL at ${postgresHosts(url)}`;
  const prepare = async () => {
    await migrate({ url, log: wait.log });
    await createDemoShow(url, wait.log);
  };
  try {
    await whenReachable(store, prepare, isFinal, wait);
  } catch (error) {
    throw new ServiceError(`cannot use ${store}: ${reasons(error)}`);
  }
}

function greeting(config: Config, services: Services, port: number): string {
  const everywhere = ['0.0.0.0', '::'].includes(config.host);
  const host = everywhere ? '127.0.0.1' : config.host.includes(':') ? `[${config.host}]` : config.host;
  const client = relative(process.cwd(), fileURLToPath(new URL('dev/try.mjs', import.meta.url)));
  const frame = '{"type":"hold","showId":"demo","seatIds":["A1"]}';
  // The password of an embedded database is ours to tell; one that was given to us is not.
  const shown = (given: string | undefined, url: string) =>
    given === undefined ? url : withoutPassword(url);
  const lines = [
    'Rowlock is listening; Ctrl-C ends it.',
    `  HTTP       http://${host}:${port}/`,
    `  WebSocket  ws://${host}:${port}/ws`,
    `  database   ${shown(config.databaseUrl, services.databaseUrl)}`,
    `  Redis      ${shown(config.redisUrl, services.redisUrl)}`,
    `  try it     echo '${frame}' | node ${client} ws://${host}:${port}/ws`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Closes everything once and ends the process. A second request to hurry up is heard after a second. */
function end(code: number, forceAfterMs: number): Promise<void> {
  ending ??= (async () => {
    setTimeout(() => exit(1), forceAfterMs).unref();
    for (const close of closers.splice(0).reverse()) await close().catch(complain);
    exit(code);
  })();
  return ending;
}

function endOnSignals(config: Config, log: Log): void {
  const forceAfterMs = config.drainMs + PATIENCE_MS;
  let firstMs: number | undefined;
  const endOrHurry = () => {
    firstMs ??= performance.now();
    // Ctrl-C under npm comes twice at once: from the terminal, and passed on by npm.
    if (performance.now() - firstMs > 1000) exit(1);
    void end(0, forceAfterMs);
  };
  process.on('SIGINT', endOrHurry);
  process.on('SIGTERM', endOrHurry);
  process.on('SIGHUP', isAtTerminal ? endOrHurry : () => hangUp(log));
  if (startedByNpm()) endWithParent(() => void end(0, forceAfterMs));
}

/** Sent on purpose, for there is no terminal that could have gone away. */
function hangUp(log: Log): void {
  if (ending) return;
  if (restart) void restart();
  else log.warn('SIGHUP restarts workers in turn; there are none yet, or WORKERS is 1');
}

/** Whoever kills npm means the server: without this it would live on unseen, with the port and the data. */
function endWithParent(end: () => void): void {
  const parent = process.ppid;
  setInterval(() => process.ppid !== parent && end(), 250).unref();
}

function complain(error: unknown): void {
  process.stderr.write(`rowlock: ${reasons(error)}\n`);
}

const read = readConfig();
// Whoever reads our output may go away (npm start | head): that must not end the server.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

if (read.ok) {
  const { config } = read;
  const log = createLog(config.logLevel);
  endOnSignals(config, log);
  await start(config, log).catch((error) => {
    if (ending) return ending;
    log.debug(error, 'the start failed');
    complain(error);
    return end(1, PATIENCE_MS);
  });
} else {
  complain(read.problems.join('; '));
  process.exitCode = 1;
}
