import { randomBytes } from 'node:crypto';
import { limits as wire } from '../protocol/index.ts';
import { Admission } from './admission.ts';
import { Bookings } from './bookings/bookings.ts';
import { Broadcaster, type Publish } from './broadcast/broadcaster.ts';
import { Catalogue } from './catalogue/catalogue.ts';
import type { Closers } from './closers.ts';
import type { Config } from './config.ts';
import { Feed } from './feed/feed.ts';
import { Leases } from './leases/leases.ts';
import { OwnLeases } from './leases/own-leases.ts';
import { callDeadlines, loadLimits, poolSizes } from './limits.ts';
import type { Log } from './observability/log.ts';
import { createMetrics, type LeaseEnd, type Metrics } from './observability/metrics.ts';
import { batchObserver, poolObserver, stepObserver } from './observability/observers.ts';
import { askReadiness, type Readiness } from './observability/readiness.ts';
import { SeatMaps } from './seatmap/seat-maps.ts';
import { failureKind, openPostgres, type PostgresPool } from './stores/postgres.ts';
import { connectRedis } from './stores/redis.ts';
import { statement } from './stores/sql-files.ts';

/** A configuration whose services are known. */
export type AppConfig = Config & { readonly databaseUrl: string; readonly redisUrl: string };

/** Everything that serves frames and calls, without the sockets. */
export interface Rooms {
  readonly config: AppConfig;
  readonly admission: Admission;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly catalogue: Catalogue;
  readonly leases: Leases;
  readonly ownLeases: OwnLeases;
  readonly bookings: Bookings;
  readonly broadcaster: Broadcaster;
  readonly seatMaps: SeatMaps;
  readonly readiness: () => Promise<Readiness>;
}

const clock = statement('clock');

/**
 * Opens the stores and wires the rooms together. Rejects with one line that says what is wrong; the caller closes what was
 * opened.
 */
export async function openRooms(
  config: AppConfig,
  log: Log,
  closers: Closers,
  publish: Publish,
  worker?: number,
): Promise<Rooms> {
  const metrics = createMetrics(worker);
  const onStep = stepObserver(metrics);
  const redis = { url: config.redisUrl, timeoutMs: config.redisTimeoutMs, log, onStep };
  const store = closers.opened(await connectRedis(redis, config.startWaitMs), (it) => it.close());
  const feed = closers.opened(new Feed(redis, store, randomBytes(9).toString('base64url')), (it) =>
    it.close(),
  );
  await feed.connect();

  const { statementTimeoutMs, lockTimeoutMs, broadcastTickMs, sweepMs } = config;
  // At the same time: one that is frozen takes the time of none.
  const pools = closers.opened<PostgresPool[]>([], (all, leftMs) =>
    Promise.all(all.map((pool) => pool.close(leftMs))),
  );
  const openPool = (name: keyof typeof poolSizes, timeoutMs: number) => {
    const timeouts = { statementTimeoutMs: timeoutMs, lockTimeoutMs };
    const observer = poolObserver(metrics, name, (error) => failureKind(error) ?? 'refused');
    const limits = { size: poolSizes[name], maxWaiting: loadLimits.maxCallsWaiting };
    const options = { url: config.databaseUrl, log, observer, ...limits, ...timeouts };
    const pool = openPostgres(options);
    pools.push(pool);
    metrics.postgresUnderWay.readFrom(name, () => pool.underWay);
    metrics.postgresWaiting.readFrom(name, () => pool.waiting);
    return pool;
  };
  const reads = openPool('reads', statementTimeoutMs);
  const confirms = openPool('confirms', statementTimeoutMs);
  // A large show takes seconds to write: these calls have connections and a time of their own.
  const createPool = openPool('create', callDeadlines.showMs(wire.maxSeatsPerShow));
  const catalogue = new Catalogue(reads, { deadlineMs: statementTimeoutMs, createPool });

  const seatVersions = (showId: string) => catalogue.seatVersions(showId);
  const observeBatches = batchObserver(metrics);
  const leases = closers.opened(new Leases({ ...config, store, seatVersions, observeBatches }), (it) =>
    it.close(),
  );
  const onEnd = (reason: LeaseEnd) => metrics.leaseEnds.count(reason);
  const ownLeases = closers.opened(new OwnLeases(leases, onEnd), (it) => it.close());
  const bookings = closers.opened(
    new Bookings({ ...config, confirms, pool: reads, catalogue, leases, log, observeBatches }),
    (it) => it.close(),
  );

  const broadcaster = new Broadcaster(
    (topic, text) => {
      metrics.broadcastFrames.inc();
      publish(topic, text);
    },
    broadcastTickMs,
    () => metrics.snapshots.count('reset'),
  );
  const maps = { feed, leases, ownLeases, versions: catalogue, listener: broadcaster, sweepMs, log, metrics };
  const seatMaps = closers.opened(new SeatMaps(maps), (it) => it.close());
  metrics.leasesOwned.readFrom(() => ownLeases.count);
  metrics.confirmsUnderWay.readFrom(() => bookings.underWay);
  metrics.unsettled.readFrom(() => bookings.unsettled);
  metrics.showsFollowed.readFrom(() => seatMaps.followed);

  const readiness = () =>
    askReadiness({
      redis: () => store.ping(),
      postgres: () => reads.query(clock, [], { deadlineMs: statementTimeoutMs }),
      streamLagMs: () => Math.max(seatMaps.lagMs, feed.lagMs),
    });
  const admission = new Admission({
    holdsWaiting: () => leases.holdsWaiting,
    confirmsUnderWay: () => bookings.underWay,
  });
  const services = { catalogue, leases, ownLeases, bookings, broadcaster, seatMaps };
  return { config, admission, log, metrics, ...services, readiness };
}
