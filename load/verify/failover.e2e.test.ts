import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStage, type TestApp, type TestStage } from '../../server/test/harness/app-kit.ts';
import { Crowd, confirmOf, type Guest } from '../../server/test/harness/crowd.ts';
import { call } from '../../server/test/harness/http.ts';
import { onceIn, type PostgresPair, startPostgresPair } from '../../server/test/harness/postgres-pair.ts';
import { HistoryRecorder } from '../history.ts';
import { enterRecorded } from './recorded-kit.ts';
import { verify } from './verify.ts';

const showId = 'failover';
const SEATS = 4_000;
const BUYERS = 6;
const PATIENT = { timeout: 20_000, interval: 25 };

let pair: PostgresPair;
let stage: TestStage;
let apps: TestApp[];
let dir: string;
const crowd = new Crowd();

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rowlock-failover-'));
  [pair, stage] = await Promise.all([startPostgresPair(), openStage()]);
  // The read-only standby comes first in the URL, to show that no server uses it for writes.
  const databaseUrl = pair.url(pair.standby, pair.primary);
  apps = await Promise.all([stage.start({}, { databaseUrl }), stage.start({}, { databaseUrl })]);
  const seats = Array.from({ length: SEATS }, (_, i) => `A${i + 1}`);
  expect((await call(urlOf(0), '/shows', { id: showId, name: showId, seats })).status).toBe(201);
});
afterAll(async () => {
  await crowd.leave();
  await stage.close();
  await pair.stop();
  rmSync(dir, { recursive: true });
});

const urlOf = (server: number) => apps[server % apps.length]?.url ?? '';

interface Sales {
  confirmed: number;
  /** Confirms that were finally refused. */
  refused: number;
  /** Answers that left the outcome open, by code. */
  readonly without: Map<string, number>;
  over: boolean;
}

/** Holds two seats, one of which the next buyer wants too, and repeats the confirm until its outcome is known. */
async function buy(buyer: Guest, seat: number, sales: Sales): Promise<void> {
  const seatIds = [`A${seat}`, `A${seat + 1}`];
  const held = await buyer.reply(buyer.send({ type: 'hold', showId, seatIds }));
  if (held.type !== 'held') return;
  for (const confirm = confirmOf(showId, seatIds); ; await pause(20)) {
    const reply = await buyer.reply(buyer.send(confirm));
    if (reply.type === 'confirmed') sales.confirmed += 1;
    else if (reply.type === 'error' && !reply.retryable) sales.refused += 1;
    else if (reply.type === 'error') {
      sales.without.set(reply.code, (sales.without.get(reply.code) ?? 0) + 1);
      continue;
    }
    return;
  }
}

async function keepBuying(buyer: Guest, first: number, sales: Sales): Promise<void> {
  for (let seat = first; !sales.over && seat < SEATS; seat += BUYERS) await buy(buyer, seat, sales);
}

it('a standby takes over in mid-sale: the servers find it by themselves, and no promise breaks', async () => {
  const recorder = new HistoryRecorder(dir, 'clients');
  const enter = (server: number) => enterRecorded(crowd, recorder, urlOf(server));
  const watcher = await enter(0);
  await watcher.request<'snapshot'>({ type: 'watch', showId });
  const buyers = await Promise.all(Array.from({ length: BUYERS }, (_, i) => enter(i)));
  const sales: Sales = { confirmed: 0, refused: 0, without: new Map(), over: false };
  const selling = Promise.all(buyers.map((buyer, i) => keepBuying(buyer, i + 1, sales)));

  await expect.poll(() => sales.confirmed, PATIENT).toBeGreaterThan(50);
  await pair.kill();
  // Now no server takes writes. So nothing can be sold, and all buyers are told so.
  await expect.poll(() => sales.without.get('unavailable') ?? 0, PATIENT).toBeGreaterThanOrEqual(BUYERS);
  const ready = () => Promise.all(apps.map(async ({ url }) => (await fetch(`${url}/readyz`)).status));
  await expect.poll(ready, PATIENT).toEqual([503, 503]);
  const before = sales.confirmed;
  await pair.promote();
  await expect.poll(() => sales.confirmed, PATIENT).toBeGreaterThan(before + 50);
  await expect.poll(ready, PATIENT).toEqual([200, 200]);
  sales.over = true;
  await selling;

  for (const buyer of buyers) await buyer.close();
  const free = () => !Object.values(watcher.map(showId).taken).includes('held');
  await watcher.until(free, 'the last lease to end', 10_000);
  const last = await enter(1);
  const { epoch, seq, held, booked } = await last.request<'snapshot'>({ type: 'watch', showId });
  await watcher.until(() => watcher.map(showId).seq >= seq, 'the last change to arrive');
  recorder.end([{ showId, epoch, seq, held, booked }]);
  recorder.close();

  const verdict = await verify({ historyDir: dir, databaseUrl: pair.standby.url, redisUrl: stage.redis.url });
  expect(verdict.violations).toEqual([]);
  expect(verdict.looked['bookings']).toBeGreaterThan(200);
  // The new primary has every booking that was answered, because the old one waited for it at each commit.
  expect(Number((await onceIn(pair.standby.url, 'SELECT count(*) AS n FROM bookings'))[0]?.['n'])).toBe(
    sales.confirmed * 2,
  );
}, 90_000);
