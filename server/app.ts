import {
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  type TemplatedApp,
  us_listen_socket_close,
  us_socket_local_port,
  App as uWebSocketsApp,
} from 'uWebSockets.js';
import { setTimeout as pause } from 'node:timers/promises';
import { monotonicMs } from './clock.ts';
import { Closers } from './closers.ts';
import type { Config } from './config.ts';
import { registerHttp } from './http/routes.ts';
import type { Log } from './observability/log.ts';
import { type Sample, SelfReport } from './observability/self-report.ts';
import { type AppConfig, openRooms } from './rooms.ts';
import { Connections } from './session/connections.ts';
import { registerWebSocket } from './session/websocket.ts';

export interface App {
  readonly port: number;
  /** Its own metrics, to be added up with those of the others on the port. */
  samples(): Promise<Sample[]>;
  /** Drains, then closes everything, all within `drainMs`. */
  stop(): Promise<void>;
}

/** For a server that is one of several processes on a port. */
export interface Shared {
  /** Its number among them, from 1. */
  readonly worker: number;
  /** The metrics of all of them together. */
  readonly scrape: () => Promise<string>;
}

const LOOK_AGAIN_MS = 20;
/** LIBUS_LISTEN_DEFAULT: SO_REUSEPORT, the kernel gives each process on the port its share of new connections. */
const SHARED_PORT = 0;

/**
 * Opens everything and listens. Rejects with one line that says what is wrong. The database must be migrated.
 * @param shared absent: the port is this process's alone
 */
export async function startApp(config: AppConfig, log: Log, shared?: Shared): Promise<App> {
  const closers = new Closers();
  try {
    return await start(config, log, closers, shared);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function start(
  config: AppConfig,
  log: Log,
  closers: Closers,
  shared: Shared | undefined,
): Promise<App> {
  const app = uWebSocketsApp();
  const publish = (topic: string, text: string) => void app.publish(topic, text);
  const rooms = await openRooms(config, log, closers, publish, shared?.worker);
  const { metrics } = rooms;

  const connections = new Connections(config);
  metrics.connections.readFrom(() => connections.size);
  metrics.watchers.readFrom(() => connections.watches);
  metrics.slowReaders.readFrom(() => connections.slow);
  metrics.framesUnderWay.readFrom(() => connections.underWay);
  registerWebSocket(app, rooms, connections);
  let stopping: Promise<void> | undefined;
  const ready = async () => {
    const now = await rooms.readiness();
    return { ...now, ready: now.ready && stopping === undefined };
  };
  const self = new SelfReport(metrics, ready, log);
  const readiness = () => self.readiness();
  const scrape = shared?.scrape ?? (() => self.text());
  const http = registerHttp(app, { ...rooms, readiness, scrape });

  const { port, stopListening } = await listen(app, config, shared !== undefined);
  closers.opened(app, (it) => void it.close());
  log.info({ port }, 'listening');

  const end = async () => {
    stopListening();
    const { drainMs } = config;
    const endMs = monotonicMs() + drainMs;
    await Promise.all([
      connections.drain(drainMs),
      http.drain(drainMs),
      confirmsEnd(rooms.bookings, drainMs),
    ]);
    await closers.close(endMs - monotonicMs());
  };
  // Once: a listening socket that is closed a second time takes the process with it.
  const stop = () => {
    stopping ??= end();
    return stopping;
  };
  return { port, samples: () => self.samples(), stop };
}

/** Those whose socket is gone count too: nobody else would tell the watchers before the guard runs out. */
async function confirmsEnd(bookings: { readonly underWay: number }, deadlineMs: number): Promise<void> {
  const endMs = monotonicMs() + deadlineMs;
  while (bookings.underWay > 0 && monotonicMs() < endMs) await pause(LOOK_AGAIN_MS);
}

/** Exclusive unless it is to be shared: a port that somebody else has would silently be shared too. */
function listen(
  app: TemplatedApp,
  { host, port }: Config,
  isShared: boolean,
): Promise<{ port: number; stopListening: () => void }> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, isShared ? SHARED_PORT : LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (!socket) return reject(new Error(`cannot listen on ${host}, port ${port}: is it taken?`));
      const stopListening = () => us_listen_socket_close(socket);
      resolve({ port: us_socket_local_port(socket), stopListening });
    });
  });
}
