import { afterEach, describe, expect, it, vi } from 'vitest';
import { Batcher, BatcherFullError, type BatcherOptions } from './batcher.ts';

/** A batcher whose calls are ended by hand, and the calls it has made so far. */
function handDriven(
  options: Partial<
    Pick<BatcherOptions<never, never>, 'maxBatch' | 'maxWaiting' | 'maxWaitMs' | 'onCall'>
  > = {},
) {
  const calls: { key: string; requests: readonly number[]; end: (error?: Error) => void }[] = [];
  const batcher = new Batcher<number, string>({
    maxBatch: options.maxBatch ?? 100,
    maxWaiting: options.maxWaiting ?? 100,
    maxWaitMs: options.maxWaitMs,
    onCall: options.onCall,
    run: (key, requests) =>
      new Promise((resolve, reject) => {
        calls.push({
          key,
          requests,
          end: (error) => (error ? reject(error) : resolve(requests.map((request) => `${key}${request}`))),
        });
      }),
  });
  return { batcher, calls };
}

afterEach(() => vi.useRealTimers());

describe('Batcher', () => {
  it('sends the request of an idle key at once, and what arrives meanwhile together in the next call', async () => {
    const { batcher, calls } = handDriven();
    const answers = [batcher.submit('a', 1), batcher.submit('a', 2), batcher.submit('a', 3)];
    expect(calls.map((call) => call.requests)).toEqual([[1]]);
    calls[0]?.end();
    expect(await answers[0]).toBe('a1');
    await expect.poll(() => calls.length).toBe(2);
    expect(calls[1]?.requests).toEqual([2, 3]);
    calls[1]?.end();
    expect(await Promise.all(answers)).toEqual(['a1', 'a2', 'a3']);
  });

  it('keeps keys apart', () => {
    const { batcher, calls } = handDriven();
    void batcher.submit('a', 1);
    void batcher.submit('b', 2);
    expect(calls.map((call) => call.key)).toEqual(['a', 'b']);
  });

  it('never makes a call larger than maxBatch and keeps the order', async () => {
    const { batcher, calls } = handDriven({ maxBatch: 2 });
    const answers = [1, 2, 3, 4].map((request) => batcher.submit('a', request));
    for (let i = 0; i < 3; i++) {
      await expect.poll(() => calls.length).toBe(i + 1);
      calls[i]?.end();
    }
    expect(await Promise.all(answers)).toEqual(['a1', 'a2', 'a3', 'a4']);
    expect(calls.map((call) => call.requests)).toEqual([[1], [2, 3], [4]]);
  });

  it('refuses what its queue cannot carry, and only that', async () => {
    const { batcher, calls } = handDriven({ maxWaiting: 1 });
    const first = batcher.submit('a', 1);
    const second = batcher.submit('a', 2);
    await expect(batcher.submit('a', 3)).rejects.toBeInstanceOf(BatcherFullError);
    calls[0]?.end();
    expect(await first).toBe('a1');
    await expect.poll(() => calls.length).toBe(2);
    calls[1]?.end();
    expect(await second).toBe('a2');
  });

  it('rejects the requests of a call that failed and goes on with the next', async () => {
    const { batcher, calls } = handDriven();
    const first = batcher.submit('a', 1);
    const second = batcher.submit('a', 2);
    calls[0]?.end(new Error('down'));
    await expect(first).rejects.toThrow('down');
    await expect.poll(() => calls.length).toBe(2);
    calls[1]?.end();
    expect(await second).toBe('a2');
  });

  it('refuses who has waited too long, unsent, and sends the others', async () => {
    vi.useFakeTimers();
    const { batcher, calls } = handDriven({ maxWaitMs: 100 });
    const settled: string[] = [];
    const submit = (request: number) =>
      batcher.submit('a', request).then(
        (result) => settled.push(result),
        (error) => settled.push(`${request} ${error instanceof BatcherFullError}`),
      );
    for (const request of [1, 2, 3]) void submit(request);
    await vi.advanceTimersByTimeAsync(60);
    void submit(4);
    expect(vi.getTimerCount()).toBe(1);
    await vi.advanceTimersByTimeAsync(45);
    // The one that is under way has a deadline of its own.
    expect(settled).toEqual(['2 true', '3 true']);
    calls[0]?.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(calls.map((call) => call.requests)).toEqual([[1], [4]]);
    await vi.advanceTimersByTimeAsync(500);
    calls[1]?.end();
    await vi.advanceTimersByTimeAsync(0);
    expect(settled).toEqual(['2 true', '3 true', 'a1', 'a4']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('takes nobody whose time is over into a batch, be the timer ever so late', async () => {
    const { batcher, calls } = handDriven({ maxWaitMs: 10 });
    const first = batcher.submit('a', 1);
    const second = batcher.submit('a', 2);
    const endsMs = performance.now() + 20;
    while (performance.now() < endsMs);
    calls[0]?.end();
    await first;
    await expect(second).rejects.toBeInstanceOf(BatcherFullError);
    expect(calls).toHaveLength(1);
  });

  it('lets those wait who came within their time, however many calls that takes', async () => {
    vi.useFakeTimers();
    const { batcher, calls } = handDriven({ maxBatch: 1, maxWaitMs: 100 });
    const answers = Promise.allSettled([1, 2, 3, 4].map((request) => batcher.submit('a', request)));
    for (let i = 0; i < 3; i++) {
      await vi.advanceTimersByTimeAsync(40);
      calls[i]?.end();
    }
    await vi.advanceTimersByTimeAsync(0);
    expect((await answers).map(({ status }) => status)).toEqual([
      ...['fulfilled', 'fulfilled', 'fulfilled', 'rejected'],
    ]);
  });

  it('tells how many wait, and how many each call takes', async () => {
    const sizes: number[] = [];
    const { batcher, calls } = handDriven({ onCall: (requests) => sizes.push(requests) });
    const answers = [
      ...[1, 2, 3].map((request) => batcher.submit('a', request)),
      ...[4, 5].map((request) => batcher.submit('b', request)),
    ];
    expect([batcher.waiting, sizes]).toEqual([3, [1, 1]]);
    for (let ended = 0; ended < 4; ended++) {
      await expect.poll(() => calls.length).toBeGreaterThan(ended);
      calls[ended]?.end();
    }
    await Promise.all(answers);
    expect([batcher.waiting, sizes]).toEqual([0, [1, 1, 2, 1]]);
  });
});
