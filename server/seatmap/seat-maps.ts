import type { Position } from '../../protocol/index.ts';
import type { Show } from '../catalogue/catalogue.ts';
import type { Feed } from '../feed/feed.ts';
import { mapLimits } from '../limits.ts';
import { FollowedShow, type FollowedShowOptions } from './followed-show.ts';

/** What every followed show is given, and the bounds of all of them together. */
export interface SeatMapsOptions extends Omit<FollowedShowOptions, 'show'> {
  readonly feed: Feed;
  /** Most shows that the server follows. */
  readonly maxFollowed?: number;
  /** Most seats of all of them together; a single show may have more. */
  readonly maxSeats?: number;
  /** How long a map without interests is kept. */
  readonly letGoAfterMs?: number;
}

interface Followed {
  readonly followed: FollowedShow;
  /** Watchers and lease owners. */
  interests: number;
  letGo: NodeJS.Timeout | undefined;
}

/** For clients that reconnect: their show need not be loaded again. */
const LET_GO_AFTER_MS = 30_000;

/**
 * The maps of the shows that a session of this server watches or holds leases in. A show is followed while there is such
 * an interest, and a little longer. Every server follows by itself and needs nothing from another.
 */
export class SeatMaps {
  readonly #options: SeatMapsOptions;
  readonly #shows = new Map<string, Followed>();
  /** Of all shows that are followed. */
  #seats = 0;

  constructor(options: SeatMapsOptions) {
    this.#options = options;
    options.leases.onPosition((showId, position) => this.#noticed(showId, position));
  }

  get followed(): number {
    return this.#shows.size;
  }

  /** The longest time that a map has been in doubt. */
  get lagMs(): number {
    let lagMs = 0;
    for (const { followed } of this.#shows.values()) lagMs = Math.max(lagMs, followed.lagMs);
    return lagMs;
  }

  /**
   * Registers an interest in the show, to be given back with `unfollow`. Undefined: there is no room for another show. The map
   * may not be loaded yet: `until` waits for it.
   */
  follow(show: Show): FollowedShow | undefined {
    const known = this.#shows.get(show.id);
    if (known !== undefined) {
      known.interests += 1;
      clearTimeout(known.letGo);
      known.letGo = undefined;
      return known.followed;
    }
    while (!this.#hasRoomFor(show)) if (!this.#letOneGo()) return undefined;
    return this.#begin(show);
  }

  unfollow(showId: string): void {
    const known = this.#shows.get(showId);
    if (known === undefined) return;
    const { letGoAfterMs = LET_GO_AFTER_MS } = this.#options;
    known.interests -= 1;
    if (known.interests === 0) known.letGo = setTimeout(() => this.#letGo(showId), letGoAfterMs);
  }

  /** The show if it is followed; its map may not be loaded yet. */
  peek(showId: string): FollowedShow | undefined {
    return this.#shows.get(showId)?.followed;
  }

  close(): void {
    for (const showId of [...this.#shows.keys()]) this.#letGo(showId);
  }

  #hasRoomFor(show: Show): boolean {
    const { maxFollowed = mapLimits.maxFollowed, maxSeats = mapLimits.maxSeats } = this.#options;
    if (this.#shows.size >= maxFollowed) return false;
    return this.#shows.size === 0 || this.#seats + show.seatIds.length <= maxSeats;
  }

  #begin(show: Show): FollowedShow {
    const { feed, ...options } = this.#options;
    const followed = new FollowedShow({ ...options, show });
    this.#shows.set(show.id, { followed, interests: 1, letGo: undefined });
    this.#seats += show.seatIds.length;
    // It loads after it has subscribed, so no change is missed in between. Without a connection it loads all the same: when
    // there is one, every map is put in doubt.
    feed
      .follow(show.id, followed)
      .catch((error: unknown) =>
        this.#options.log.debug({ showId: show.id, error: String(error) }, 'not subscribed'),
      )
      .finally(() => followed.start());
    return followed;
  }

  #letOneGo(): boolean {
    for (const [showId, { interests }] of this.#shows) {
      if (interests > 0) continue;
      this.#letGo(showId);
      return true;
    }
    return false;
  }

  #letGo(showId: string): void {
    const known = this.#shows.get(showId);
    if (known === undefined) return;
    clearTimeout(known.letGo);
    this.#shows.delete(showId);
    this.#seats -= known.followed.show.seatIds.length;
    known.followed.close();
    void this.#options.feed.unfollow(showId);
  }

  #noticed(showId: string, position: Position | undefined): void {
    this.#shows.get(showId)?.followed.noticed(position);
  }
}
