import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openStage, type TestApp, type TestStage } from '../../server/test/harness/app-kit.ts';
import { Backdoor } from '../../server/test/harness/backdoor.ts';
import { Crowd, confirmOf, type Guest } from '../../server/test/harness/crowd.ts';
import { HistoryRecorder, machineMs } from '../history.ts';
import { enterRecorded } from './recorded-kit.ts';
import { verify } from './verify.ts';

let stage: TestStage;
let apps: TestApp[];
let backdoor: Backdoor;
let dir: string;
const crowd = new Crowd();
/** A short tick makes more frames, so that watchers of both servers are at the same position more often. */
const variables = { BROADCAST_TICK_MS: '5' };

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'rowlock-real-'));
  stage = await openStage();
  apps = await Promise.all([stage.start(variables), stage.start(variables)]);
  backdoor = new Backdoor(stage);
});
afterAll(async () => {
  await crowd.leave();
  await backdoor.close();
  await stage.close();
  rmSync(dir, { recursive: true });
});

let clients = 0;
const enter = (recorder: HistoryRecorder): Promise<Guest> =>
  enterRecorded(crowd, recorder, apps[++clients % 2]?.url ?? '');

/** Uses every kind of request on a few seats, as fast as it can. */
async function play(client: Guest, round: number): Promise<void> {
  const seatIds = [`A${1 + (round % 5)}`, `A${1 + ((round + 2) % 5)}`];
  const reply = await client.reply(client.send({ type: 'hold', showId: 'real', seatIds, ttlMs: 500 }));
  if (reply.type !== 'held') return;
  await client.request<'renewed'>({ type: 'heartbeat' });
  // Also names seats of others, which the server must ignore.
  const all = ['A1', 'A2', 'A3', 'A4', 'A5'];
  if (round % 3 === 0) await client.request<'released'>({ type: 'release', showId: 'real', seatIds: all });
  else if (round % 3 === 1) await client.reply(client.send({ type: 'checkout', showId: 'real', seatIds }));
  if (round > 130 && round % 7 === 0) await client.reply(client.send(confirmOf('real', seatIds)));
  if (round % 3 === 1) await client.reply(client.send({ type: 'release', showId: 'real', seatIds }));
}

async function sell(): Promise<void> {
  const recorder = new HistoryRecorder(dir, 'clients');
  // Two of them are on one server, so that they are at the same positions.
  const watchers = await Promise.all([enter(recorder), enter(recorder), enter(recorder)]);
  for (const watcher of watchers) await watcher.request<'snapshot'>({ type: 'watch', showId: 'real' });
  const buyers = await Promise.all(Array.from({ length: 6 }, () => enter(recorder)));
  const rounds = buyers.map(async (buyer, b) => {
    for (let round = b; round < 150 + b; round += 1) await play(buyer, round);
    if (b % 2 === 0) await buyer.close();
  });
  // Meanwhile locks are deleted in Redis, which is recorded as a fault.
  const lies = (async () => {
    for (let i = 0; i < 5; i++) {
      const ms = machineMs();
      await backdoor.forgetLocks('real', 'A1');
      recorder.fault({ ms, name: 'lock deleted', forgets: true, showId: 'real', seatIds: ['A1'] });
      await pause(50);
    }
  })();
  await Promise.all([...rounds, lies]);
  const last = await enter(recorder);
  await last.request<'held'>({ type: 'hold', showId: 'real', seatIds: ['A20'] });
  await last.request<'confirmed'>(confirmOf('real', ['A20']));
  await Promise.all(buyers.filter((_, b) => b % 2 === 1).map((buyer) => buyer.close()));
  const free = (watcher: Guest) => !Object.values(watcher.map('real').taken).includes('held');
  for (const watcher of watchers) await watcher.until(() => free(watcher), 'the last lease to end', 10_000);
  const late = await enter(recorder);
  const { epoch, seq, held, booked } = await late.request<'snapshot'>({ type: 'watch', showId: 'real' });
  for (const watcher of watchers)
    await watcher.until(() => watcher.map('real').seq >= seq, 'the last change to arrive');
  recorder.end([{ showId: 'real', epoch, seq, held, booked }]);
  recorder.close();
}

const stores = () => ({ databaseUrl: stage.database.url, redisUrl: stage.redis.url });

it('a real run with a liar in it is clean, and a lie in its tables is found', async () => {
  await stage.createShow('real');
  await sell();
  const verdict = await verify({ historyDir: dir, ...stores() });
  expect(verdict.violations).toEqual([]);
  expect(verdict.looked['grants']).toBeGreaterThan(20);
  expect(verdict.looked['mapsCompared']).toBeGreaterThan(0);
  expect(verdict.looked['bookings']).toBeGreaterThan(0);
  expect(verdict.outcomes['hold seat_unavailable']).toBeGreaterThan(0);

  await backdoor.sql`DELETE FROM bookings`;
  const { kinds } = await verify({ historyDir: dir, ...stores() });
  expect(Object.keys(kinds).sort()).toEqual([
    'confirmed_without_rows',
    'request_without_bookings',
    'seat_status',
  ]);
});

it('two who both believe to hold one seat, and confirm it at once: one booking', async () => {
  await stage.createShow('race');
  const seatIds = ['A1'];
  const [first, second] = await Promise.all([crowd.join(apps[0]?.url ?? ''), crowd.join(apps[1]?.url ?? '')]);
  const gate = await backdoor.closeGate();
  await first.request<'held'>({ type: 'hold', showId: 'race', seatIds });
  const confirms = [first.send(confirmOf('race', seatIds))];
  await gate.reached();
  // The lease of the first client was checked and its transaction has begun. Now Redis forgets the lease and grants the seat again.
  await backdoor.forgetLocks('race', ...seatIds);
  await second.request<'held'>({ type: 'hold', showId: 'race', seatIds });
  confirms.push(second.send(confirmOf('race', seatIds)));
  // The second client should not get this far. If it does, it is let into the database too, well within the lock timeout.
  await Promise.race([gate.reached(2).catch(() => {}), pause(250)]);
  await gate.open();
  const outcomes = await Promise.all([first.reply(confirms[0] ?? ''), second.reply(confirms[1] ?? '')]);
  const { violations } = await verify({ databaseUrl: stage.database.url, showId: 'race' });
  expect(violations).toEqual([]);
  expect(outcomes.filter(({ type }) => type === 'confirmed')).toHaveLength(1);
});

it('as a command: a verdict to read, or as JSON, and an exit code', async () => {
  const command = (...args: string[]) =>
    new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      const argv = ['--import', 'tsx', 'load/verify.ts', ...args];
      execFile(process.execPath, argv, (error, stdout, stderr) =>
        resolve({ code: error?.code ?? 0, stdout, stderr }),
      );
    });
  const bad = await command('--history', dir, '--database-url', stage.database.url, '--json');
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.stdout)).toMatchObject({ ok: false });
  const other = await command('--database-url', stage.database.url, '--show', 'none');
  expect(other).toMatchObject({ code: 0, stdout: expect.stringContaining('OK: no violation') });
  expect(await command()).toMatchObject({ code: 2, stderr: expect.stringContaining('usage') });
});
