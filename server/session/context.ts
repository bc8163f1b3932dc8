import type { Bookings } from '../bookings/bookings.ts';
import type { Broadcaster } from '../broadcast/broadcaster.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Config } from '../config.ts';
import type { Leases } from '../leases/leases.ts';
import type { OwnLeases } from '../leases/own-leases.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { SeatMaps } from '../seatmap/seat-maps.ts';

/** What the frames of every session are served with. */
export interface SessionContext {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly catalogue: Catalogue;
  readonly leases: Leases;
  readonly ownLeases: OwnLeases;
  readonly bookings: Bookings;
  readonly seatMaps: SeatMaps;
  readonly broadcaster: Broadcaster;
}
