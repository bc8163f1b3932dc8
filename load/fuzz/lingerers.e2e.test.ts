import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openStage, type TestApp, type TestStage } from '../../server/test/harness/app-kit.ts';
import { Crowd } from '../../server/test/harness/crowd.ts';
import { linger } from './lingerers.ts';

/** The shortest idle timeout that uWebSockets.js accepts, because the tests wait for it. */
vi.mock('../../server/limits.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../server/limits.ts')>();
  return { ...original, sessionLimits: { ...original.sessionLimits, idleTimeoutS: 8 } };
});

const PATIENCE_MS = 50_000;

let stage: TestStage;
let app: TestApp;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  app = await stage.start();
  await stage.createShow('show');
});
afterAll(async () => {
  await crowd.leave();
  await stage.close();
});

it.concurrent('whoever gives nothing for a connection loses it', { timeout: 60_000 }, async () => {
  const lingered = await linger(app.port, 1, PATIENCE_MS);
  expect(lingered.map(({ name, left }) => ({ name, left }))).toEqual(
    lingered.map(({ name }) => ({ name, left: 0 })),
  );
});

it.concurrent('a session whose client is gone without a word ends, and frees its seats; one that is silent but there goes on', {
  timeout: 60_000,
}, async () => {
  const [silent, gone] = [
    await crowd.watch(app.url, 'show'),
    await crowd.connect(app.url, { autoPong: false }),
  ];
  await gone.request<'welcome'>({ type: 'hello' });
  await gone.request<'held'>({ type: 'hold', showId: 'show', seatIds: ['A1'], ttlMs: 120_000 });
  await silent.untilSeat('show', 'A1', 'held');
  await gone.until(() => gone.closeCode !== undefined, 'the end of the connection', PATIENCE_MS);
  await silent.untilSeat('show', 'A1', 'available');
  await silent.request<'renewed'>({ type: 'heartbeat' });
});
