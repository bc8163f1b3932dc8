import type { Position } from '../../protocol/index.ts';
import { StoreUnavailable } from '../stores/redis.ts';
import { mintEpoch } from './lease-ids.ts';
import type { SeatVersion, Stepped } from './requests.ts';
import { slices } from './slices.ts';
import type { Steps } from './steps.ts';

/**
 * Called with the position in a step's reply: a map that is behind it has missed something. Undefined: Redis has lost it, and
 * until another epoch has begun no map is right.
 */
export type PositionListener = (showId: string, position: Position | undefined) => void;

export type Fresh<T> = T & { readonly position: Position };

/** Rotations that one call waits for: one is normal after data loss, a second when the first one was lost as well. */
const MAX_ROTATIONS = 3;

/** Begins a new epoch of a show that Redis has forgotten or never had. */
export class Epochs {
  readonly #steps: Pick<Steps, 'stage' | 'rotate'>;
  readonly #seatVersions: (showId: string) => Promise<readonly SeatVersion[]>;
  readonly #rotations = new Map<string, Promise<void>>();
  #onPosition: PositionListener = () => {};

  /** @param seatVersions Postgres' versions above 0 of every seat of a show */
  constructor(
    steps: Pick<Steps, 'stage' | 'rotate'>,
    seatVersions: (showId: string) => Promise<readonly SeatVersion[]>,
  ) {
    this.#steps = steps;
    this.#seatVersions = seatVersions;
  }

  /** One listener. */
  onPosition(listener: PositionListener): void {
    this.#onPosition = listener;
  }

  /** Runs the step; if Redis answers `stale`, begins a new epoch and runs it again. */
  async fresh<T extends object>(showId: string, step: () => Promise<Stepped<T>>): Promise<Fresh<T>> {
    for (let rotations = 0; rotations < MAX_ROTATIONS; rotations++) {
      const reply = await step();
      if (!reply.stale) {
        this.#onPosition(showId, reply.position);
        return reply;
      }
      this.#onPosition(showId, undefined);
      await this.rotate(showId, reply.epoch);
    }
    throw new StoreUnavailable('Redis keeps changing its run', false);
  }

  /**
   * Begins a new epoch in place of `oldEpoch`; of several servers that try, one succeeds. Postgres is read first and its
   * versions are staged in slices, so that one short step begins the epoch with all of them. What commits in between is
   * announced by its own settle, or by the load that follows every rotation.
   */
  rotate(showId: string, oldEpoch: string): Promise<void> {
    const running = this.#rotations.get(showId);
    if (running !== undefined) return running;
    const rotation = this.#rotate(showId, oldEpoch).finally(() => this.#rotations.delete(showId));
    this.#rotations.set(showId, rotation);
    return rotation;
  }

  async #rotate(showId: string, oldEpoch: string): Promise<void> {
    let versions: readonly SeatVersion[];
    try {
      versions = await this.#seatVersions(showId);
    } catch (error) {
      throw new StoreUnavailable(
        `Postgres, which a new epoch starts from, gave no answer: ${String(error)}`,
        false,
      );
    }
    const epoch = mintEpoch();
    for (const slice of slices(versions)) {
      const reply = await this.#steps.stage(showId, oldEpoch, epoch, slice);
      const current = reply.stale ? reply.epoch : reply.position.epoch;
      if (current !== oldEpoch) return;
    }
    await this.#steps.rotate(showId, oldEpoch, epoch, versions.length);
  }
}
