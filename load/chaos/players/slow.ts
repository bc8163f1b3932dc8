import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { seatIdsOf } from '../ground/seats.ts';
import { Line } from './line.ts';
import type { World } from './world.ts';

export const READERS = 4;
const HELD_AT_ONCE = 400;
const HELD_MS = 60_000;

export interface LargeShow {
  readonly id: string;
  readonly seats: number;
}

/**
 * Some watchers of a large show with many leases ask for its map again and again without reading. After a while they read again.
 * Like all other watchers, they must have the right map at the end.
 */
export class SlowReaders {
  readonly #showId: string;
  readonly #readers: readonly Line[];
  readonly #ballast: Line | undefined;

  private constructor(showId: string, readers: readonly Line[], ballast: Line | undefined) {
    this.#showId = showId;
    this.#readers = readers;
    this.#ballast = ballast;
  }

  /** They still read. */
  static async open(world: World, show: LargeShow, server: number): Promise<SlowReaders> {
    const ballast = await fill(world, show, server);
    const opened = await Promise.all(
      Array.from({ length: READERS }, () => Line.open(world, server, { userId: randomUUID() })),
    );
    const readers = opened.filter((reader) => reader !== undefined);
    const showIds = [show.id, ...world.stocks.map(({ showId }) => showId)];
    for (const reader of readers) for (const showId of showIds) await reader.ask({ type: 'watch', showId });
    return new SlowReaders(show.id, readers, ballast);
  }

  /** Each asks for so many maps more and reads none of them. */
  ask(maps: number): void {
    for (const reader of this.#readers) {
      reader.readNothing();
      for (let i = 0; i < maps; i++) reader.askWithoutReading({ type: 'watch', showId: this.#showId });
    }
  }

  async readOn(): Promise<void> {
    for (const reader of this.#readers) reader.readOn();
    await pause(300);
    await Promise.all(this.#readers.map((reader) => reader.close()));
    await this.#ballast?.close();
  }
}

async function fill(world: World, { id, seats }: LargeShow, server: number) {
  const ballast = await Line.open(world, server, { userId: randomUUID() });
  const seatIds = seatIdsOf(seats);
  for (let at = 0; at < seats; at += HELD_AT_ONCE) {
    const some = seatIds.slice(at, at + HELD_AT_ONCE);
    await ballast?.ask({ type: 'hold', showId: id, seatIds: some, ttlMs: HELD_MS });
  }
  return ballast;
}
