import {
  LIBUS_LISTEN_EXCLUSIVE_PORT,
  type TemplatedApp,
  us_listen_socket_close,
  us_socket_local_port,
  App as uWebSocketsApp,
} from 'uWebSockets.js';
import { randomBytes } from 'node:crypto';
import { Bookings } from './bookings/bookings.ts';
import { Broadcaster } from './broadcast/broadcaster.ts';
import { Catalogue } from './catalogue/catalogue.ts';
import type { Config } from './config.ts';
import { Feed } from './feed/feed.ts';
import { registerHttp } from './http/routes.ts';
import { Leases } from './leases/leases.ts';
import { OwnLeases } from './leases/own-leases.ts';
import type { Log } from './observability/log.ts';
import { createMetrics } from './observability/metrics.ts';
import { askReadiness } from './observability/readiness.ts';
import { SeatMaps } from './seatmap/seat-maps.ts';
import { Connections } from './session/connections.ts';
import { registerWebSocket } from './session/websocket.ts';
import { openPostgres } from './stores/postgres.ts';
import { RedisStore } from './stores/redis.ts';
import { statement } from './stores/sql-files.ts';

const clock = statement('clock');

/** A configuration whose services are known. */
export type AppConfig = Config & { readonly databaseUrl: string; readonly redisUrl: string };

export interface App {
  readonly port: number;
  /** Drains within `drainMs`, then closes everything. */
  stop(): Promise<void>;
}

/** Few: one confirm call carries a batch, and Postgres does more with fewer at a time. */
const CONFIRM_CONNECTIONS = 4;
const READ_CONNECTIONS = 4;
const MAX_WAITING_CALLS = 1_000;

/**
 * Opens the stores, wires the rooms together and listens. What was opened is closed in reverse order, also when the start
 * fails half-way. Rejects with one line that says what is wrong. The database must be migrated.
 */
export async function startApp(config: AppConfig, log: Log): Promise<App> {
  const closers: (() => void | Promise<void>)[] = [];
  const opened = <T>(value: T, close: (value: T) => void | Promise<void>): T => {
    closers.push(() => close(value));
    return value;
  };
  const closeAll = async () => {
    for (const close of closers.splice(0).reverse()) await close();
  };
  try {
    return await open(config, log, opened, closeAll);
  } catch (error) {
    await closeAll();
    throw error;
  }
}

type Opened = <T>(value: T, close: (value: T) => void | Promise<void>) => T;

async function open(
  config: AppConfig,
  log: Log,
  opened: Opened,
  closeAll: () => Promise<void>,
): Promise<App> {
  const { statementTimeoutMs, lockTimeoutMs, redisTimeoutMs } = config;
  const redis = { url: config.redisUrl, timeoutMs: redisTimeoutMs, log };
  const postgres = {
    url: config.databaseUrl,
    maxWaiting: MAX_WAITING_CALLS,
    statementTimeoutMs,
    lockTimeoutMs,
    log,
  };
  const reads = opened(openPostgres({ ...postgres, size: READ_CONNECTIONS }), (pool) => pool.close());
  const confirms = opened(openPostgres({ ...postgres, size: CONFIRM_CONNECTIONS }), (pool) => pool.close());
  const store = opened(new RedisStore(redis), (opened) => opened.close());
  await store.connect();
  const feed = opened(new Feed(redis, store, randomBytes(9).toString('base64url')), (opened) =>
    opened.close(),
  );
  await feed.connect();

  const catalogue = new Catalogue(reads, { deadlineMs: statementTimeoutMs });
  const seatVersions = (showId: string) => catalogue.seatVersions(showId);
  const leases = opened(new Leases({ ...config, store, seatVersions }), (opened) => opened.close());
  const ownLeases = opened(new OwnLeases(leases), (opened) => opened.close());
  const { confirmDeadlineMs } = config;
  const bookings = opened(
    new Bookings({ confirms, pool: reads, catalogue, leases, log, confirmDeadlineMs }),
    (opened) => opened.close(),
  );

  const metrics = createMetrics();
  const app = uWebSocketsApp();
  const publish = (topic: string, text: string) => {
    metrics.broadcastFrames.inc();
    app.publish(topic, text);
  };
  const broadcaster = new Broadcaster(publish, config.broadcastTickMs);
  const { sweepMs } = config;
  const maps = { feed, leases, ownLeases, versions: catalogue, listener: broadcaster, sweepMs, log, metrics };
  const seatMaps = opened(new SeatMaps(maps), (opened) => opened.close());
  const connections = new Connections(config);
  const context = { config, log, metrics, catalogue, leases, ownLeases, bookings, seatMaps, broadcaster };
  registerWebSocket(app, context, connections);
  const readiness = () =>
    askReadiness({
      redis: () => store.ping(),
      postgres: () => reads.query(clock, [], { deadlineMs: statementTimeoutMs }),
      streamLagMs: () => Math.max(seatMaps.lagMs, feed.lagMs),
    });
  registerHttp(app, { ...context, readiness });
  metrics.connections.readFrom(() => connections.size);
  metrics.watchers.readFrom(() => connections.watches);
  metrics.leasesOwned.readFrom(() => ownLeases.count);
  metrics.showsFollowed.readFrom(() => seatMaps.followed);
  const { port, stopListening } = await listen(app, config);
  opened(app, (opened) => void opened.close());

  const end = async () => {
    stopListening();
    await connections.drain(config.drainMs);
    await closeAll();
  };
  // Once: what is closed natively must not be closed again.
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= end();
    return stopped;
  };
  log.info({ port }, 'listening');
  return { port, stop };
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
