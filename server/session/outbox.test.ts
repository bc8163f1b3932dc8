import { afterEach, expect, it, vi } from 'vitest';
import { flushSoon } from './outbox.ts';

const tick = () => new Promise((resolve) => process.nextTick(resolve));

afterEach(() => {
  vi.restoreAllMocks();
});

it('one that throws keeps nothing from the others, now or later, and is heard of', async () => {
  const thrown: (() => void)[] = [];
  vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => void thrown.push(task));
  const flush = vi.fn();
  const broken = () => {
    throw new Error('a bug');
  };
  flushSoon({ flush });
  flushSoon({ flush: broken });
  flushSoon({ flush });
  await tick();
  expect(flush).toHaveBeenCalledTimes(2);
  expect(thrown).toHaveLength(1);
  expect(thrown[0]).toThrow('a bug');
  flushSoon({ flush });
  await tick();
  expect(flush).toHaveBeenCalledTimes(3);
});

it('what a flush gives others to send leaves a tick later', async () => {
  const later = vi.fn();
  flushSoon({ flush: () => flushSoon({ flush: later }) });
  await tick();
  await tick();
  expect(later).toHaveBeenCalledTimes(1);
});
