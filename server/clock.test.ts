import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DeadlineError, monotonicMs, withDeadline } from './clock.ts';

const DEADLINE_MS = 5;
let server: ReturnType<typeof createServer>;
/** Both ends of one connection. */
let [near, far]: Socket[] = [];

beforeEach(async () => {
  server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  near = connect(port, '127.0.0.1');
  [far] = await once(server, 'connection');
});
afterEach(() => {
  near?.destroy();
  far?.destroy();
  server.close();
});

/** The event loop does nothing else meanwhile. */
function stall(ms: number): void {
  const untilMs = monotonicMs() + ms;
  while (monotonicMs() < untilMs);
}

it('takes an answer that came in time, though the event loop was too late to read it', async () => {
  const answered = new Promise((resolve) => near?.once('data', (data) => resolve(data.toString())));
  const inTime = withDeadline(answered, DEADLINE_MS);
  // Written at once: it lies there while the loop stalls.
  far?.write('here');
  stall(DEADLINE_MS * 4);
  expect(await inTime).toBe('here');
});

it('rejects when nothing came, after the time and not before', async () => {
  const fromMs = monotonicMs();
  await expect(withDeadline(new Promise(() => {}), DEADLINE_MS)).rejects.toBeInstanceOf(DeadlineError);
  expect(monotonicMs() - fromMs).toBeGreaterThanOrEqual(DEADLINE_MS - 1);
});
