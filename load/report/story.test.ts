import { describe, expect, it } from 'vitest';
import type { ClientFrame, ServerFrame } from '../../protocol/index.ts';
import type { HistoryLine } from '../history.ts';
import { pageOf, type Report } from './page.ts';
import { Storyteller } from './story.ts';

const one = 'users-1-1-0.1';
const two = 'users-1-1-1.1';
const showId = 'race';
const seatIds = ['A1'];
const epoch = 'e';
const requestId = '0f8fad5b-d9cb-469f-a165-70867728950e';
const bookings = [{ bookingId: '0f8fad5b-d9cb-469f-a165-70867728950f', seatId: 'A1' }];

const invoke = (ms: number, client: string, frame: ClientFrame): HistoryLine => ({
  kind: 'invoke',
  ms,
  client,
  frame,
});
const returned = (ms: number, client: string, frame: ServerFrame): HistoryLine => ({
  kind: 'return',
  ms,
  client,
  frame,
});
const hold = (ms: number, client: string, id: string) =>
  invoke(ms, client, { type: 'hold', id, showId, seatIds, ttlMs: 1000 });
const held = (ms: number, client: string, id: string) =>
  returned(ms, client, {
    type: 'held',
    id,
    showId,
    seatIds,
    expiresInMs: 1000,
    deadlineInMs: 9000,
    epoch,
    seq: 1,
  });
const saw = (ms: number, state: 'available' | 'held' | 'booked', seq: number): HistoryLine => ({
  kind: 'push',
  ms,
  client: 'watcher',
  frame: { type: 'delta', showId, epoch, from: seq, to: seq, changes: { A1: state } },
});

/** User 1 releases A1. User 2 gets it, loses it because its lock is deleted, gets it again and books it. The booking is refunded. */
const lines: HistoryLine[] = [
  { kind: 'open', ms: 900, client: 'watcher', pushes: true },
  { kind: 'open', ms: 1_000, client: one, pushes: true },
  { kind: 'open', ms: 1_000, client: two, pushes: true },
  hold(1_000, one, '1'),
  held(1_010, one, '1'),
  hold(1_020, two, '1'),
  returned(1_030, two, {
    ...{ type: 'error', id: '1', code: 'seat_unavailable', message: '', retryable: false },
    conflicts: [{ seatId: 'A1', state: 'held' }],
  }),
  invoke(1_200, one, { type: 'release', id: '2', showId }),
  returned(1_210, one, { type: 'released', id: '2', showId, seatIds }),
  hold(1_220, two, '2'),
  held(1_230, two, '2'),
  { kind: 'fault', ms: 1_300, untilMs: 1_301, name: 'lock deleted', forgets: true, showId, seatIds },
  { kind: 'push', ms: 1_400, client: two, frame: { type: 'lease_lost', showId, seatIds, reason: 'expired' } },
  hold(1_410, two, '3'),
  held(1_420, two, '3'),
  invoke(1_500, two, { type: 'confirm', id: '4', showId, seatIds, requestId }),
  returned(1_550, two, { type: 'confirmed', id: '4', showId, seatIds, requestId, bookings, replayed: false }),
  saw(1_560, 'held', 4),
  saw(1_570, 'booked', 5),
  saw(1_900, 'available', 6),
  { kind: 'close', ms: 2_000, client: two, code: 1000 },
];

function told() {
  const teller = new Storyteller(['A1']);
  for (const line of lines) teller.tell(line);
  return teller.end();
}

describe('the story of a run', () => {
  it('tells who had the seat, from when to when, and how it ended', () => {
    expect(told().lanes).toEqual([
      {
        seatId: 'A1',
        holders: [
          { who: 'user 0', fromMs: 10, toMs: 210, end: 'released' },
          { who: 'user 1', fromMs: 230, toMs: 400, end: 'taken' },
          { who: 'user 1', fromMs: 420, toMs: 550, end: 'booked' },
        ],
        booked: [{ who: 'user 1', fromMs: 550, toMs: 900 }],
        liesMs: [300],
        refused: 1,
      },
    ]);
  });

  it('counts, over time and in all', () => {
    const { totals, series, lengthMs, ends } = told();
    expect(totals).toMatchObject({
      granted: 3,
      refused: 1,
      confirmed: 1,
      replayed: 0,
      connections: 2,
      lies: 1,
    });
    expect(lengthMs).toBe(1_000);
    expect(series.granted).toEqual([1, 0, 1, 0, 1, 0, 0, 0, 0, 0]);
    expect(ends).toEqual({ released: 1, taken: 1, booked: 1 });
  });

  it('measures each kind of answer by itself', () => {
    const { latencies } = told();
    expect(latencies).toContainEqual({
      what: 'hold, granted',
      count: 3,
      p50Ms: 10,
      p90Ms: 10,
      p99Ms: 10,
      maxMs: 10,
    });
    expect(latencies).toContainEqual({
      what: 'confirm, booked',
      count: 1,
      p50Ms: 50,
      p90Ms: 50,
      p99Ms: 50,
      maxMs: 50,
    });
  });
});

describe('the page', () => {
  const machine = {
    cpu: 'a <fast> one',
    cores: 2,
    memoryGib: 8,
    system: '',
    node: 'v22',
    redis: '7',
    commit: 'abc',
    load: 0,
  };
  const report: Report = {
    scenario: 'confirm-race-single',
    proves: 'One booking & no more.',
    verdict: 'violations',
    at: '2026-01-02T03:04:05.000Z',
    machine,
    variables: { users: 2, rampPerS: 1, runS: 1, ttlMs: 1000, lieEveryMs: 50 },
    seats: 1,
    outcomes: { expected: { held: 3 }, unexpected: {}, failed: {} },
    judgement: {
      total: 1,
      violations: [{ rule: 'I1', what: 'A1 is booked twice', operations: ['<script>'] }],
      looked: { lines: 21 },
    },
    voidBecause: [],
    cores: { server: 0.5 },
    tookS: 3,
    story: told(),
  };

  it('shows violations with their operations, as text', () => {
    const page = pageOf(report);
    expect(page).toContain('A1 is booked twice');
    expect(page).toContain('&lt;script&gt;');
    expect(page).not.toContain('<script');
  });

  it('needs nothing but itself', () => {
    expect(pageOf(report)).not.toMatch(/https?:|src=|@import|url\(/);
  });

  it('has no number that is none', () => {
    expect(pageOf(report)).not.toMatch(/NaN|Infinity|undefined/);
  });
});
