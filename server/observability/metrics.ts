import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { FaultCode } from '../../protocol/index.ts';

/** A gauge whose value is asked for when it is scraped: whoever has the number need not report each change of it. */
export interface Reading {
  /** One source; before it is named the gauge shows 0. */
  readFrom(source: () => number): void;
}

/** The same for each of a few things that have a name. */
export interface Readings {
  readFrom(name: string, source: () => number): void;
}

/** Labels are from fixed sets: never an id, never anything that a client chose. */
export interface Metrics {
  readonly registry: Registry;

  readonly connections: Reading;
  /** Watches of all connections together. */
  readonly watchers: Reading;
  readonly leasesOwned: Reading;
  readonly showsFollowed: Reading;

  /** `type` as the protocol names it; `invalid` for what is no frame. */
  readonly framesReceived: Counter<'type'>;
  readonly replies: { readonly inc: (labels: { outcome: 'ok' | FaultCode }) => void };
  readonly holds: { readonly inc: (labels: { via: Via; outcome: 'held' | FaultCode }) => void };
  readonly confirms: {
    readonly inc: (labels: { via: Via; outcome: 'confirmed' | 'replayed' | FaultCode }) => void;
  };
  readonly confirmsUnderWay: Reading;
  /** Decisions of Postgres that Redis was not told yet. */
  readonly unsettled: Reading;
  /** As `lease_lost` tells them. */
  readonly leasesLost: Counter<'reason'>;

  readonly broadcastFrames: Counter;
  readonly mapLoads: Counter;
  /** Rounds of catching up by the log, after a gap or a doubt. */
  readonly mapMends: Counter;

  /** By the name of the pool. */
  readonly postgresUnderWay: Readings;
  readonly postgresWaiting: Readings;
  readonly storeUp: Gauge<'store'>;
  readonly streamLagSeconds: Gauge;

  readonly httpRequests: Counter<'route' | 'method' | 'status'>;
  readonly httpRequestSeconds: Histogram<'route' | 'method'>;
}

export type Via = 'ws' | 'http';

const PREFIX = 'rowlock_';
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

/** Metrics of one server, in a registry of their own: several servers may live in one process (tests). */
export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const counter = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Counter({ name: `${PREFIX}${name}_total`, help, labelNames, registers });
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: Label[] = []) =>
    new Gauge({ name: PREFIX + name, help, labelNames, registers });
  const reading = (name: string, help: string): Reading => {
    let read = () => 0;
    new Gauge({
      name: PREFIX + name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
    return {
      readFrom: (source) => {
        read = source;
      },
    };
  };
  const readings = (name: string, help: string, labelName: string): Readings => {
    const sources = new Map<string, () => number>();
    new Gauge({
      name: PREFIX + name,
      help,
      labelNames: [labelName],
      registers,
      collect() {
        for (const [label, read] of sources) this.set({ [labelName]: label }, read());
      },
    });
    return { readFrom: (label, source) => void sources.set(label, source) };
  };
  // Brings the event loop's lag, memory, garbage collection and file descriptors.
  // At its default of 10 ms the monitor of the event loop alone wakes an idle server a hundred times a second.
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 100 });

  return {
    registry,
    connections: reading('connections', 'WebSocket connections'),
    watchers: reading('watchers', 'Watches of all connections together'),
    leasesOwned: reading('leases_owned', 'Leases of the sessions of this server'),
    showsFollowed: reading('shows_followed', 'Shows whose map this server keeps'),

    framesReceived: counter('frames_received', 'Frames from clients', ['type']),
    replies: counter('replies', 'Replies to frames: ok, or the code of the error', ['outcome']),
    holds: counter('holds', 'Holds: held, or the code of the refusal', ['via', 'outcome']),
    confirms: counter('confirms', 'Confirms: confirmed, replayed, or the code of the refusal', [
      'via',
      'outcome',
    ]),
    confirmsUnderWay: reading('confirms_under_way', 'Confirms that have no answer yet'),
    unsettled: reading('unsettled', 'Decisions of Postgres that Redis was not told yet'),
    leasesLost: counter('leases_lost', 'Leases that ended without their session asking, as it was told', [
      'reason',
    ]),

    broadcastFrames: counter('broadcast_frames', 'Frames published, each to all watchers of a show'),
    mapLoads: counter('map_loads', 'Seat maps loaded from Redis and Postgres'),
    mapMends: counter('map_mends', 'Seat maps that caught up by the log after a gap or a doubt'),

    postgresUnderWay: readings('postgres_calls_under_way', 'Calls of Postgres under way', 'pool'),
    postgresWaiting: readings(
      'postgres_calls_waiting',
      'Calls that wait for a connection to Postgres',
      'pool',
    ),
    storeUp: gauge('store_up', '1 when the store answered the last look at it', ['store']),
    streamLagSeconds: gauge('stream_lag_seconds', 'How far the slowest followed show is behind'),

    httpRequests: counter('http_requests', 'HTTP requests answered', ['route', 'method', 'status']),
    httpRequestSeconds: new Histogram({
      name: `${PREFIX}http_request_duration_seconds`,
      help: 'From the head of an HTTP request to its answer',
      labelNames: ['route', 'method'],
      buckets: SECONDS,
      registers,
    }),
  };
}
