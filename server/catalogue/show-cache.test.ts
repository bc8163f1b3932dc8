import { expect, test } from 'vitest';
import type { Show } from './catalogue.ts';
import { ShowCache } from './show-cache.ts';

const showOf = (id: string, seats: number): Show => {
  const seatIds = Array.from({ length: seats }, (_, i) => `S${i}`);
  return {
    id,
    name: id,
    createdAtMs: 0,
    seats: seatIds.map((seatId) => ({ id: seatId })),
    seatIds,
    seatIndex: new Map(),
    etag: '',
  };
};

test('lets the least recently used go when the seats of all are too many, but never the one just read', async () => {
  const reads: string[] = [];
  const sizes: Record<string, number> = { a: 4, b: 4, c: 4, huge: 100 };
  const cache = new ShowCache(async (id) => {
    reads.push(id);
    return showOf(id, sizes[id] ?? 0);
  }, 10);

  await cache.get('a');
  await cache.get('b');
  await cache.get('a');
  await cache.get('c');
  expect(reads.splice(0)).toEqual(['a', 'b', 'c']);
  await cache.get('a');
  await cache.get('c');
  expect(reads).toEqual([]);
  await cache.get('b');
  await cache.get('huge');
  await cache.get('huge');
  await cache.get('c');
  expect(reads).toEqual(['b', 'huge', 'c']);
});
