/** A watcher that is cut off again and again, at random moments, never ends with a map that is wrong. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { TestClient } from './harness/client.ts';
import { History, Stores, Watcher } from './harness/stream-kit.ts';

const SHOW = 'cuts';
const CUTS = 200;
const CHANGES = 2_000;
const HOLDERS = 4;

let stage: TestStage;
let stores: Stores;
let apps: readonly TestApp[];

beforeAll(async () => {
  stage = await openStage();
  await stage.createShow(SHOW, 60);
  stores = new Stores(stage);
  apps = await Promise.all([stage.start(), stage.start()]);
});
afterAll(async () => {
  await stores?.close();
  await stage?.close();
});

const urlOf = (i: number): string => apps[i % apps.length]?.url ?? '';

/** Takes and gives back seats of its own, one change each, until everybody together has made enough. */
async function change(i: number, more: () => boolean): Promise<TestClient> {
  const holder = await TestClient.join(urlOf(i));
  for (let round = 0; more(); round++) {
    const seatIds = [`A${1 + i * 10 + (round % 10)}`];
    await holder.request<'held'>({ type: 'hold', showId: SHOW, seatIds });
    // Some stay held for a while.
    if (round % 3 > 0) await holder.request<'released'>({ type: 'release', showId: SHOW, seatIds });
    // Leaves the cuts time to fall in between.
    await pause(Math.random() * 4);
  }
  return holder;
}

describe('a watcher that is cut off', () => {
  it(`${CUTS} times while ${CHANGES} changes happen ends equal, and was told of every gap`, async () => {
    const [steady, watcher] = await Promise.all([Watcher.join(urlOf(0), SHOW), Watcher.join(urlOf(1), SHOW)]);
    let cuts = 0;
    let left = CHANGES;
    const more = () => left-- > 0 || cuts < CUTS;
    const holders = Array.from({ length: HOLDERS }, (_, i) => change(i, more));
    for (; cuts < CUTS; cuts++) {
      await pause(Math.random() * 10);
      await watcher.reconnect(urlOf(Math.floor(Math.random() * 2)));
    }
    for (const holder of await Promise.all(holders)) await holder.terminate();
    await stores.expectEqual(steady, watcher);
    const { seq } = watcher.position;
    expect(seq).toBeGreaterThanOrEqual(CHANGES);
    const history = new History(await stores.entries(SHOW));
    for (const { received } of [steady, watcher]) {
      history.expectTrue(received);
      history.expectCovered(received, seq);
    }
    // Each time it came back it was told what it had missed, and on each connection what was pushed was in step.
    expect([steady.gaps, watcher.gaps]).toEqual([0, 0]);
    await Promise.all([steady.close(), watcher.close()]);
  });
});
