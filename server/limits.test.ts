import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { clientFrame, limits, seatLockBody } from '../protocol/index.ts';
import { readConfig } from './config.ts';
import {
  httpLimits,
  limitRelations,
  loadLimits,
  mapLimits,
  poolSizes,
  sessionLimits,
  showBody,
  smallBody,
} from './limits.ts';

const read = readConfig({});
if (!read.ok) throw new Error(read.problems.join('\n'));
const { config } = read;

const uuid = '0198a3c4-7e1d-7c52-b1f0-6d2e8a9b0c1d';
const longestSeats = Array.from({ length: limits.maxSeatsPerFrame }, (_, i) => `${i}`.padStart(32, 'x'));
const longestShow = 'x'.repeat(64);

it('whatever is allowed fits in a frame, or in a body', () => {
  const id = '"'.repeat(64);
  const position = { epoch: 'x'.repeat(64), seq: Number.MAX_SAFE_INTEGER };
  const seatIds = longestSeats;
  const frames = [
    { type: 'confirm', id, showId: longestShow, seatIds, requestId: uuid },
    { type: 'hold', id, showId: longestShow, seatIds, ttlMs: limits.maxTtlMs },
    { type: 'watch', id, showId: longestShow, since: position },
    { type: 'hello', id, userId: uuid, token: 'x'.repeat(limits.maxTokenLength), session: 'x'.repeat(64) },
  ];
  for (const frame of frames) {
    clientFrame.parse(frame);
    expect(JSON.stringify(frame).length).toBeLessThanOrEqual(limits.maxFrameBytes);
  }
  const body = { show_id: longestShow, seat_ids: longestSeats, user_id: uuid };
  seatLockBody.parse(body);
  const confirm = { ...body, request_id: uuid, session: 'x'.repeat(64) };
  expect(JSON.stringify(confirm).length).toBeLessThanOrEqual(smallBody.maxBytes);
});

it('a resume names as many leases as a session may own by default, each in a show of its own, beside its token', () => {
  const leases = longestSeats
    .slice(0, config.maxLeasesPerSession)
    .map((seatId) => ({ showId: longestShow, seatIds: [seatId] }));
  const hello = { type: 'hello', id: 'x', userId: uuid, session: 'x'.repeat(64), leases };
  clientFrame.parse(hello);
  expect(JSON.stringify(hello).length).toBeLessThanOrEqual(limits.maxFrameBytes - limits.maxTokenLength / 2);
});

it('every frame under way has room for its reply, also when nobody reads', () => {
  expect(sessionLimits.maxUnsentReplies).toBeGreaterThanOrEqual(sessionLimits.maxUnderWay);
  expect(sessionLimits.maxUnsentBytes).toBeGreaterThan(sessionLimits.maxUnsentReplies * 1024);
  expect(sessionLimits.maxUnsentBytes).toBeGreaterThan(sessionLimits.maxBackpressureBytes);
});

it('a burst that the frames per second allow is no abuse', () => {
  expect(sessionLimits.offencesBurst).toBeGreaterThanOrEqual(config.maxFramesPerS);
  expect(sessionLimits.offencesPerS).toBeLessThan(config.maxFramesPerS);
});

it('a connection lives on after several bad frames, however large they are', () => {
  const offences = 1 + limits.maxFrameBytes / sessionLimits.offenceBytes;
  expect(sessionLimits.offencesBurst / offences).toBeGreaterThanOrEqual(5);
});

it('a session of the default limits may own what it may hold, and hold it in one frame', () => {
  expect(config.maxLeasesPerSession).toBeLessThanOrEqual(limits.maxSeatsPerFrame);
  expect(config.maxSessionsPerUser).toBeLessThanOrEqual(config.maxSessionsPerAddress);
  for (const { holds } of limitRelations) expect(holds(config)).toBe(true);
});

it('times are those that the transport can do', () => {
  // uWebSockets.js takes 8 to 960 s in steps of 4, and by itself cuts a silent HTTP connection after 10 s.
  expect(sessionLimits.idleTimeoutS % 4).toBe(0);
  expect(sessionLimits.idleTimeoutS).toBeGreaterThanOrEqual(8);
  expect(limits.helloDeadlineMs).toBeLessThan(sessionLimits.idleTimeoutS * 1000);
  for (const { stallMs, totalMs } of [smallBody, showBody]) {
    expect(stallMs).toBeLessThan(10_000);
    expect(stallMs).toBeLessThanOrEqual(totalMs);
  }
});

it('what bodies, and answers to probes, may take is bounded', () => {
  expect(httpLimits.maxUnderWay * smallBody.maxBytes).toBeLessThanOrEqual(256 * 1024 ** 2);
  expect(httpLimits.maxShowsUnderWay * showBody.maxBytes).toBeLessThanOrEqual(64 * 1024 ** 2);
  expect(httpLimits.readinessDeadlineMs).toBeLessThanOrEqual(2_000);
});

it('what is taken has a place to wait in', () => {
  expect(loadLimits.maxWork).toBeLessThanOrEqual(loadLimits.maxStepsWaiting);
  // Any hold under way may get no answer, and must be undone then.
  expect(loadLimits.maxWork).toBeLessThanOrEqual(loadLimits.maxUndos);
  expect(loadLimits.maxConfirmsWaiting).toBeLessThanOrEqual(loadLimits.maxConfirmsUnderWay);
  expect(mapLimits.maxSeats).toBeGreaterThanOrEqual(limits.maxSeatsPerShow);
  expect(mapLimits.readDeadlineMs).toBeLessThanOrEqual(mapLimits.watchDeadlineMs);
});

it('a show that is taken waits for no other; OPERATIONS.md counts the connections', () => {
  expect(poolSizes.create).toBeGreaterThanOrEqual(httpLimits.maxShowsUnderWay);
  const operations = readFileSync(fileURLToPath(new URL('OPERATIONS.md', import.meta.url)), 'utf8');
  const told = [...operations.matchAll(/(?:at most|and) (\d+) connections/g)].map(([, count]) =>
    Number(count),
  );
  const all = Object.values<number>(poolSizes).reduce((sum, size) => sum + size);
  expect(told).toEqual([all, all, all]);
});

it('new holds are refused long before any confirm is', () => {
  expect(loadLimits.maxWork / loadLimits.holdsAConfirm).toBeLessThanOrEqual(
    loadLimits.maxConfirmsWaiting / 2,
  );
});
