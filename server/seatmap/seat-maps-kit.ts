import { randomBytes } from 'node:crypto';
import { expect } from 'vitest';
import type { Show } from '../catalogue/catalogue.ts';
import { Feed } from '../feed/feed.ts';
import { Leases, type SeatVersion } from '../leases/leases.ts';
import { OwnLeases } from '../leases/own-leases.ts';
import { createMetrics } from '../observability/metrics.ts';
import { type LeaseKit, silent } from '../test/harness/lease-kit.ts';
import type { FollowedShow } from './followed-show.ts';
import { SeatMaps, type SeatMapsOptions } from './seat-maps.ts';

/** Seats of a show that does not say how many. */
export const SEATS = 10;

/** A show of its own with seats A1..An, of which no store knows. */
export function makeShow(seats = SEATS): Show {
  const layout = Array.from({ length: seats }, (_, i) => ({ id: `A${i + 1}` }));
  const seatIds = layout.map(({ id }) => id);
  const id = `show-${randomBytes(6).toString('hex')}`;
  const seatIndex = new Map(seatIds.map((seatId, i) => [seatId, i]));
  return { id, name: id, createdAtMs: 0, seats: layout, seatIds, seatIndex, etag: '"1"' };
}

/** The maps of one server, on a Redis that is there and a Postgres that is made up. */
export class SeatMapsBench {
  readonly leases: Leases;
  readonly feed: Feed;
  readonly ownLeases: OwnLeases;
  readonly metrics = createMetrics();
  /** Reads of Postgres, by show. */
  readonly reads: string[] = [];
  /** What Postgres would say. */
  versions: SeatVersion[] = [];
  onRead: () => Promise<void> = async () => {};
  #seatMaps: SeatMaps | undefined;

  private constructor({ settings, store }: LeaseKit) {
    this.feed = new Feed(settings, store, randomBytes(6).toString('hex'));
    const seatVersions = async () => this.versions;
    this.leases = new Leases({ store, seatVersions, guardMs: 4_000, maxHoldMs: 600_000, checkoutMs: 60_000 });
    this.ownLeases = new OwnLeases(this.leases);
  }

  static async open(kit: LeaseKit): Promise<SeatMapsBench> {
    const bench = new SeatMapsBench(kit);
    await bench.feed.connect();
    return bench;
  }

  /** What a followed show needs. */
  get rooms() {
    const { leases, ownLeases, metrics } = this;
    const seatVersions = async (showId: string) => {
      this.reads.push(showId);
      await this.onRead();
      return this.versions;
    };
    const versions = { seatVersions, seatVersionsOf: async () => this.versions };
    const listener = { changed: () => {}, reset: () => {} };
    return { leases, ownLeases, metrics, versions, listener, sweepMs: 250, log: silent };
  }

  /** Once `start` was called. */
  get seatMaps(): SeatMaps {
    if (this.#seatMaps === undefined) throw new Error('it was not started');
    return this.#seatMaps;
  }

  start(limits: Pick<SeatMapsOptions, 'maxFollowed' | 'maxSeats' | 'letGoAfterMs'> = {}): void {
    this.#seatMaps = new SeatMaps({ feed: this.feed, ...this.rooms, ...limits });
  }

  /** Resolves when its map is there. */
  async follow(show: Show): Promise<FollowedShow> {
    const followed = this.seatMaps.follow(show);
    if (followed === undefined) throw new Error('no room');
    expect(await followed.until(() => followed.map !== undefined, 3_000)).toBe(true);
    return followed;
  }

  close(): void {
    this.#seatMaps?.close();
    this.ownLeases.close();
    this.leases.close();
    this.feed.close();
  }
}
