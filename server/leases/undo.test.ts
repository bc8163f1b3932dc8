import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { session } from '../test/harness/lease-kit.ts';
import type { ReleaseRequest } from './requests.ts';
import { Undos } from './undo.ts';

const request = { owner: session('alice'), seatIds: ['A1', 'A2'], leaseId: 'x', named: false, graceMs: 0 };
let said: ReleaseRequest[];
let answers: boolean;
let undos: Undos;

beforeEach(() => {
  vi.useFakeTimers();
  said = [];
  answers = true;
  undos = new Undos(async (_showId, asked) => {
    said.push(asked);
    if (!answers) throw new Error('no answer');
  });
});
afterEach(() => {
  undos.close();
  vi.useRealTimers();
});

it('says it at once, and some more for a hold that lands after it', async () => {
  undos.add('s', request, 60_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(said).toEqual([request]);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(said).toEqual([request, request, request]);
});

it('tries until the store answers', async () => {
  answers = false;
  undos.add('s', request, 60_000);
  await vi.advanceTimersByTimeAsync(5_000);
  const tried = said.length;
  expect(tried).toBeGreaterThan(10);
  answers = true;
  await vi.advanceTimersByTimeAsync(5_000);
  expect(said).toHaveLength(tried + 3);
});

it('gives up when the lease has ended by itself', async () => {
  answers = false;
  undos.add('s', request, 2_000);
  await vi.advanceTimersByTimeAsync(3_000);
  const tried = said.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(said).toHaveLength(tried);
});

it('keeps what the session has by the same lease meanwhile', async () => {
  undos.add('s', request, 60_000);
  expect(undos.keep('x', 'A1')).toBeUndefined();
  await vi.advanceTimersByTimeAsync(0);
  expect(said.at(-1)?.seatIds).toEqual(['A2']);
  undos.keep('x', 'A2');
  const tried = said.length;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(said).toHaveLength(tried);
});

it('tells everyone who keeps a seat of the release that is on its way, until it is settled', async () => {
  let answer = () => {};
  undos.close();
  undos = new Undos((_showId, asked) => {
    said.push(asked);
    return new Promise<void>((resolve) => {
      answer = resolve;
    });
  });
  undos.add('s', request, 60_000);
  await vi.advanceTimersByTimeAsync(0);
  let through = 0;
  for (let i = 1; i <= 2; i++) {
    const release = undos.keep('x', 'A1');
    expect(release).toBeDefined();
    void release?.then(() => through++);
  }
  expect(undos.keep('another', 'A1')).toBeUndefined();
  expect(undos.keep('x', 'A3')).toBeUndefined();
  await vi.advanceTimersByTimeAsync(0);
  expect(through).toBe(0);
  answer();
  await vi.advanceTimersByTimeAsync(0);
  expect(through).toBe(2);
  // Answered, but perhaps after the hold that is answered only now.
  expect(undos.keep('x', 'A1')).toBeDefined();
  undos.settled('x', 'A1');
  expect(undos.keep('x', 'A1')).toBeUndefined();
  await vi.advanceTimersByTimeAsync(250);
  expect(said.at(-1)?.seatIds).toEqual(['A2']);
});

it('says nothing after it was closed', async () => {
  undos.add('s', request, 60_000);
  undos.close();
  undos.add('s', request, 60_000);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(said).toEqual([]);
});

it('asks few at a time of a store that answers none, and all of one that answers', async () => {
  answers = false;
  for (let i = 0; i < 3_000; i++) undos.add('s', { ...request, leaseId: `x${i}` }, 60_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(said.length).toBeLessThan(1_000);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(said.length).toBeLessThan(3_000);
  // Nobody's turn comes again before everybody's has come.
  expect(new Set(said.map(({ leaseId }) => leaseId)).size).toBe(said.length);
  answers = true;
  said = [];
  await vi.advanceTimersByTimeAsync(5_000);
  expect(said).toHaveLength(3 * 3_000);
});
