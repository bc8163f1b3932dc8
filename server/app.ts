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
import { type AppConfig, openRooms } from './rooms.ts';
import { Connections } from './session/connections.ts';
import { registerWebSocket } from './session/websocket.ts';

export interface App {
  readonly port: number;
  /** Drains within `drainMs`, then closes everything. */
  stop(): Promise<void>;
}

const LOOK_AGAIN_MS = 20;

/** Opens everything and listens. Rejects with one line that says what is wrong. The database must be migrated. */
export async function startApp(config: AppConfig, log: Log): Promise<App> {
  const closers = new Closers();
  try {
    return await start(config, log, closers);
  } catch (error) {
    await closers.close();
    throw error;
  }
}

async function start(config: AppConfig, log: Log, closers: Closers): Promise<App> {
  const app = uWebSocketsApp();
  const publish = (topic: string, text: string) => void app.publish(topic, text);
  const rooms = await openRooms(config, log, closers, publish);
  const { metrics } = rooms;

  const connections = new Connections(config);
  metrics.connections.readFrom(() => connections.size);
  metrics.watchers.readFrom(() => connections.watches);
  metrics.slowReaders.readFrom(() => connections.slow);
  metrics.framesUnderWay.readFrom(() => connections.underWay);
  registerWebSocket(app, rooms, connections);
  let stopping: Promise<void> | undefined;
  const readiness = async () => {
    const now = await rooms.readiness();
    return { ...now, ready: now.ready && stopping === undefined };
  };
  const http = registerHttp(app, { ...rooms, readiness });

  const { port, stopListening } = await listen(app, config);
  closers.opened(app, (it) => void it.close());
  log.info({ port }, 'listening');

  const end = async () => {
    stopListening();
    const { drainMs } = config;
    await Promise.all([connections.drain(drainMs), http.idle(drainMs), confirmsEnd(rooms.bookings, drainMs)]);
    await closers.close();
  };
  // Once: a listening socket that is closed a second time takes the process with it.
  const stop = () => {
    stopping ??= end();
    return stopping;
  };
  return { port, stop };
}

/** Those whose socket is gone count too: nobody else would tell the watchers before the guard runs out. */
async function confirmsEnd(bookings: { readonly underWay: number }, deadlineMs: number): Promise<void> {
  const endMs = monotonicMs() + deadlineMs;
  while (bookings.underWay > 0 && monotonicMs() < endMs) await pause(LOOK_AGAIN_MS);
}

/** Exclusive: without it a port that somebody else has would silently be shared. */
function listen(
  app: TemplatedApp,
  { host, port }: Config,
): Promise<{ port: number; stopListening: () => void }> {
  return new Promise((resolve, reject) => {
    app.listen(host, port, LIBUS_LISTEN_EXCLUSIVE_PORT, (socket) => {
      if (!socket) return reject(new Error(`cannot listen on ${host}, port ${port}: is it taken?`));
      const stopListening = () => us_listen_socket_close(socket);
      resolve({ port: us_socket_local_port(socket), stopListening });
    });
  });
}
