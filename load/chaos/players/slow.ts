import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { seatIdsOf } from '../ground/seats.ts';
import { Line } from './line.ts';
import type { Paces } from './pace.ts';
import type { World } from './world.ts';

const READERS = 4;
/** More snapshots than the buffers of the kernel can hold. */
const MAPS = 400;
const HELD_AT_ONCE = 400;
const ASKING_MS = 500;
const HELD_MS = 60_000;

/**
 * Some watchers of a large show with many leases ask for its map again and again without reading. After a while they read again.
 * Like all other watchers, they must have the right map at the end.
 * @returns how fast the other players were served meanwhile
 */
export async function readSlowly(
  world: World,
  show: { id: string; seats: number },
  server: number,
  forMs: number,
): Promise<Paces> {
  const ballast = await fill(world, show, server);
  const readers = await Promise.all(
    Array.from({ length: READERS }, () => Line.open(world, server, { userId: randomUUID() })),
  );
  try {
    for (const reader of readers) {
      if (reader === undefined) continue;
      await reader.ask({ type: 'watch', showId: show.id });
      for (const { showId } of world.stocks) await reader.ask({ type: 'watch', showId });
      reader.readNothing();
      for (let i = 0; i < MAPS; i++) reader.askWithoutReading({ type: 'watch', showId: show.id });
    }
    // Asking for all of that takes time of the players' own process, which must not be measured.
    await pause(ASKING_MS);
    world.pace.take();
    await pause(forMs);
    return world.pace.take();
  } finally {
    for (const reader of readers) reader?.readOn();
    await pause(300);
    await Promise.all(readers.map((reader) => reader?.close()));
    await ballast?.close();
  }
}

async function fill(world: World, { id, seats }: { id: string; seats: number }, server: number) {
  const ballast = await Line.open(world, server, { userId: randomUUID() });
  const seatIds = seatIdsOf(seats);
  for (let at = 0; at < seats; at += HELD_AT_ONCE) {
    const some = seatIds.slice(at, at + HELD_AT_ONCE);
    await ballast?.ask({ type: 'hold', showId: id, seatIds: some, ttlMs: HELD_MS });
  }
  return ballast;
}
