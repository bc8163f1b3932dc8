import { performance } from 'node:perf_hooks';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { ClientFrame, FaultCode, LeaseLostReason } from '../../protocol/index.ts';
import { FrameTimes } from './frame-times.ts';
import { Instruments } from './instruments.ts';

export type { Counts, Via } from './instruments.ts';

/** How a lease of a session ended: by what its session did, or for a reason that `lease_lost` names. */
export type LeaseEnd = 'released' | 'disconnected' | 'booked' | LeaseLostReason;

/** Why a snapshot was sent: somebody joined, a slow reader came back, or the map was loaded anew. */
export type SnapshotCause = 'watch' | 'slow_reader' | 'reset';

/**
 * The outcome of a look, which compares what was announced of a show with what is booked. `announced`: something had not been
 * announced, and was now. `rotated`: something was announced that is not so in PostgreSQL, so a new epoch began.
 */
export type Looked = 'same' | 'announced' | 'rotated';

/** A close code. Those that clients may choose freely are counted together, as `other`, so that no client can add labels. */
export type CloseLabel = `${number}` | 'other';

export type Metrics = ReturnType<typeof createMetrics>;

const FRAME_TYPES: readonly (ClientFrame['type'] | 'invalid')[] = [
  'hello',
  'watch',
  'unwatch',
  'hold',
  'heartbeat',
  'release',
  'checkout',
  'confirm',
  'invalid',
];
const LEASE_ENDS: readonly LeaseEnd[] = [
  'released',
  'disconnected',
  'booked',
  'expired',
  'deadline',
  'store_reset',
  'booked_elsewhere',
];
/** Refusals that mean a problem of the server. Listed, so that they are shown from the start and alerts see the first one. */
const TROUBLE = ['busy', 'unavailable', 'outcome_unknown', 'internal'] as const satisfies FaultCode[];

/**
 * The metrics of one server, in a registry of their own, because in tests several servers run in one process. Label values come
 * from fixed sets: they are never ids, nor anything that a client chose. The metrics of workers are added up unless a metric
 * says otherwise.
 * @param worker the number of this worker in its server
 */
export function createMetrics(worker = 1) {
  const registry = new Registry();
  const make = new Instruments(registry);
  // Lag of the event loop, memory, garbage collection and file descriptors. With the default precision, 10 ms, the monitor of the
  // event loop would wake an idle server a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });
  // With a label for the worker: in a sum, a worker that is fully busy would be hidden by others that are idle.
  make.sum(
    'event_loop_active_seconds',
    'Time that the event loop was not waiting: its rate is how busy the process is',
    { worker: String(worker) },
    () => performance.eventLoopUtilization().active / 1000,
  );

  return {
    registry,
    ...processes(make),
    ...sockets(make),
    ...seats(make),
    ...maps(make),
    ...stores(make),
    ...http(make),
  };
}

/** Each process counts itself as one worker. */
const processes = (make: Instruments) => {
  make.reading('workers', 'Processes of this server that tell their metrics').readFrom(() => 1);
  return { workersLost: workersLost(make) };
};

/** Metrics of the first process about its workers. */
export const supervision = (make: Instruments) => ({
  lost: workersLost(make),
  failedStarts: make.counter('worker_starts_failed', 'Workers that ended before they listened'),
  wanted: make.reading('workers_wanted', 'Workers that this server should have'),
});

const workersLost = (make: Instruments) => make.counter('workers_lost', 'Workers that ended by themselves');

const sockets = (make: Instruments) => ({
  connections: make.reading('connections', 'WebSocket connections'),
  connectionsOpened: make.counter('connections_opened', 'WebSocket connections that were opened'),
  connectionsClosed: make.counts<CloseLabel>(
    'connections_closed',
    'WebSocket connections that ended, by close code; 1006: cut without one',
    'code',
    ['1000', '1001', '1006', '4001', '4008'],
  ),
  upgradesRefused: make.counts<FaultCode>(
    'upgrades_refused',
    'Connections that were refused before they were one, by the code of the refusal',
    'code',
    ['bad_frame', 'forbidden', 'limit_reached'],
  ),
  watchers: make.reading('watchers', 'Watches of all connections together'),
  slowReaders: make.reading('slow_readers', 'Connections that do not read and are out of step'),
  drops: make.counter('slow_reader_drops', 'Times that a connection fell out of step for not reading'),

  /** Types as the protocol names them, and `invalid` for what is not a frame. */
  framesReceived: make.counts('frames_received', 'Frames from clients', 'type', FRAME_TYPES),
  framesUnderWay: make.reading('frames_under_way', 'Frames that have no reply yet'),
  replies: make.counts<'ok' | FaultCode>(
    'replies',
    'Replies to frames: ok, or the code of the error',
    'outcome',
    ['ok', ...TROUBLE],
  ),
  frameTimes: new FrameTimes(
    make.latency('frame_duration_seconds', 'From a frame to its reply; some of them are timed', ['type']),
    make.work('frame_stage_duration_seconds', 'The processor work on a frame; some of them are timed', [
      'stage',
    ]),
  ),
});

const seats = (make: Instruments) => ({
  holds: make.countsVia<'held' | FaultCode>('holds', 'Holds: held, or the code of the refusal', 'outcome', [
    'held',
    'seat_unavailable',
    ...TROUBLE,
  ]),
  confirms: make.countsVia<'confirmed' | 'replayed' | FaultCode>(
    'confirms',
    'Confirms: confirmed, replayed, or the code of the refusal',
    'outcome',
    ['confirmed', 'replayed', 'seat_unavailable', 'lease_lost', ...TROUBLE],
  ),
  confirmsUnderWay: make.reading('confirms_under_way', 'Confirms that have no answer yet'),
  unsettled: make.reading('unsettled', 'Decisions of Postgres that Redis was not told yet'),
  leasesOwned: make.reading('leases_owned', 'Leases of the sessions of this server'),
  leaseEnds: make.counts('lease_ends', 'Leases of sessions that ended, by why', 'reason', LEASE_ENDS),
});

const maps = (make: Instruments) => ({
  showsFollowed: make.reading('shows_followed', 'Shows whose map is kept, by each worker for itself'),
  broadcastFrames: make.counter('broadcast_frames', 'Frames published, each to all watchers of a show'),
  snapshots: make.counts<SnapshotCause>('snapshots', 'Whole maps sent, by what for', 'cause', [
    'watch',
    'slow_reader',
    'reset',
  ]),
  mapLoads: make.counter('map_loads', 'Seat maps loaded from Redis and Postgres'),
  mapMends: make.counter('map_mends', 'Seat maps that caught up by the log after a gap or a doubt'),
  mapGaps: make.counter('map_gaps', 'Mends that found changes which the feed had not brought'),
  looks: make.counts<Looked>(
    'looks',
    'Looks of this server whether what was announced is what is booked, by what came of them',
    'outcome',
    ['same', 'announced', 'rotated'],
  ),
  streamLagSeconds: make.worst('stream_lag_seconds', 'How far the slowest followed show is behind', 'max'),
});

const stores = (make: Instruments) => ({
  batchSizes: make.sizes('batch_requests', 'Requests in one call of a batcher', ['batcher']),
  batchWaiting: make.readings('batch_waiting', 'Requests that wait for the next call', 'batcher'),
  redisCalls: make.latency('redis_call_duration_seconds', 'Calls of Redis, by Lua step', ['step']),
  redisFailures: make.counter('redis_calls_failed', 'Calls of Redis without an answer, by Lua step', [
    'step',
  ]),
  postgresCalls: make.latency('postgres_call_duration_seconds', 'Calls of Postgres, without the waiting', [
    'pool',
  ]),
  postgresFailures: make.counter('postgres_calls_failed', 'Calls of Postgres without rows, by why', [
    'pool',
    'reason',
  ]),
  postgresUnderWay: make.readings('postgres_calls_under_way', 'Calls of Postgres under way', 'pool'),
  postgresWaiting: make.readings(
    'postgres_calls_waiting',
    'Calls that wait for a connection to Postgres',
    'pool',
  ),
  storeUp: make.worst('store_up', '1 when the store answered the last look at it', 'min', ['store']),
});

const http = (make: Instruments) => ({
  httpRequests: make.counter('http_requests', 'HTTP requests answered', ['route', 'method', 'status']),
  httpRequestSeconds: make.latency(
    'http_request_duration_seconds',
    'From the head of an HTTP request to its answer',
    ['route', 'method'],
  ),
});
