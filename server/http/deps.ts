import type { Admission } from '../admission.ts';
import type { Bookings } from '../bookings/bookings.ts';
import type { Catalogue } from '../catalogue/catalogue.ts';
import type { Config } from '../config.ts';
import type { Leases } from '../leases/leases.ts';
import type { OwnLeases } from '../leases/own-leases.ts';
import type { Log } from '../observability/log.ts';
import type { Metrics } from '../observability/metrics.ts';
import type { Readiness } from '../observability/readiness.ts';
import type { SeatMaps } from '../seatmap/seat-maps.ts';

/** What the HTTP calls need of the rest of the server. */
export interface HttpDeps {
  readonly config: Config;
  readonly admission: Pick<Admission, 'admits'>;
  readonly log: Log;
  readonly catalogue: Pick<Catalogue, 'known' | 'show' | 'list' | 'create'>;
  readonly leases: Pick<Leases, 'hold' | 'release'>;
  readonly ownLeases: Pick<OwnLeases, 'of' | 'drop'>;
  readonly bookings: Pick<Bookings, 'confirm' | 'find' | 'refund'>;
  readonly seatMaps: Pick<SeatMaps, 'follow' | 'unfollow'>;
  readonly metrics: Metrics;
  /** Readiness of this process. Never rejects. */
  readonly readiness: () => Promise<Readiness>;
  /** The metrics of all processes of this server, in the text format of Prometheus. */
  readonly scrape: () => Promise<string>;
}
