import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { SeatState } from '../../protocol/index.ts';
import type { Entry } from '../feed/entry.ts';
import { session as holder } from '../test/harness/lease-kit.ts';
import type { LeaseSession, OwnLease } from './own-lease.ts';
import { OwnLeases } from './own-leases.ts';
import type { GrantedLease, Holder } from './requests.ts';

type Lost = { seatIds: readonly string[]; reason: string };

/** A session that remembers what it was told. */
class TestSession implements LeaseSession {
  readonly owner;
  readonly leases = new Set<OwnLease>();
  readonly told: Lost[] = [];
  supersededTimes = 0;

  constructor(name: string, conn = 1) {
    this.owner = holder(name, conn);
  }
  lost(_showId: string, seatIds: readonly string[], reason: string): void {
    this.told.push({ seatIds, reason });
  }
  superseded(): void {
    this.supersededTimes += 1;
  }
}

let own: OwnLeases;
let alice: TestSession;
/** What the store answers to a look: seats that are still held. */
let stillHeld: Set<string>;
let undone: string[];
let ends: string[];

beforeEach(() => {
  vi.useFakeTimers();
  alice = new TestSession('alice');
  stillHeld = new Set();
  undone = [];
  ends = [];
  const leases = {
    look: async (_showId: string, _owner: Holder, seatIds: readonly string[]) =>
      seatIds.map((seatId) => (stillHeld.has(seatId) ? 1_000 : undefined)),
    undo: (_showId: string, _owner: Holder, _seatIds: readonly string[], leaseId: string) =>
      undone.push(leaseId),
  };
  own = new OwnLeases(leases, (why) => ends.push(why));
});
afterEach(() => {
  own.close();
  vi.useRealTimers();
});

const lease = (seatId: string, more: Partial<GrantedLease> = {}): GrantedLease => ({
  seatId,
  leaseId: `lease-${seatId}`,
  expiresInMs: 10_000,
  deadlineInMs: 60_000,
  pinned: false,
  ...more,
});

function grant(session: TestSession, seq: number, ...leases: GrantedLease[]): void {
  own.grant(session, 's', { epoch: 'e', seq }, leases, performance.now());
}

function entry(to: number, ...changes: [seatId: string, state: SeatState, leaseId: string][]): Entry {
  return {
    epoch: 'e',
    from: to,
    to,
    changes: changes.map(([seatId, state, leaseId]) => ({ seatId, state, leaseId })),
  };
}

describe('entries of the feed', () => {
  it('at or before the grant do not end it', () => {
    grant(alice, 5, lease('A1'));
    own.apply('s', entry(4, ['A1', 'available', '']));
    own.apply('s', entry(5, ['A1', 'held', 'lease-A1']));
    expect([own.get('s', 'A1')?.leaseId, alice.told]).toEqual(['lease-A1', []]);
  });

  it('after the grant end it, told once with all seats', () => {
    grant(alice, 5, lease('A1'), lease('A2'));
    own.apply('s', entry(6, ['A1', 'available', ''], ['A2', 'available', 'lease-A2']));
    expect(alice.told).toEqual([{ seatIds: ['A1', 'A2'], reason: 'expired' }]);
    expect(ends).toEqual(['expired', 'expired']);
    expect([own.get('s', 'A1'), alice.leases.size]).toEqual([undefined, 0]);
  });

  it("that say held by another lease end it; by its own, or by nobody's, they do not", () => {
    grant(alice, 5, lease('A1'), lease('A2'));
    own.apply('s', entry(6, ['A1', 'held', ''], ['A2', 'held', 'lease-A2']));
    expect(alice.told).toEqual([]);
    own.apply('s', entry(7, ['A1', 'held', 'other']));
    expect(alice.told).toEqual([{ seatIds: ['A1'], reason: 'expired' }]);
  });

  it('that say booked by its own lease are its own booking', () => {
    grant(alice, 5, lease('A1'));
    own.apply('s', entry(6, ['A1', 'booked', 'lease-A1']));
    expect([alice.told, undone, own.get('s', 'A1')]).toEqual([[], [], undefined]);
  });

  it('that say booked by a rival end it, and give up the lock', () => {
    grant(alice, 5, lease('A1'));
    own.apply('s', entry(6, ['A1', 'booked', 'other']));
    expect(alice.told).toEqual([{ seatIds: ['A1'], reason: 'booked_elsewhere' }]);
    expect(undone).toEqual(['lease-A1']);
  });

  it('that say booked by nobody in mid-confirm leave the word to the confirm', () => {
    grant(alice, 5, lease('A1'), lease('A2'));
    const confirming = own.get('s', 'A1');
    if (confirming !== undefined) confirming.confirms = 1;
    own.apply('s', entry(6, ['A1', 'booked', ''], ['A2', 'booked', '']));
    expect(alice.told).toEqual([{ seatIds: ['A2'], reason: 'booked_elsewhere' }]);
  });

  it('that say booked by nobody after an outcome that nobody knows leave the word to the repeat, and so does a load', async () => {
    grant(alice, 5, lease('A1'), lease('A2'));
    for (const undecided of alice.leases) undecided.undecided = true;
    own.apply('s', entry(6, ['A1', 'booked', '']));
    await own.compare('s', () => 'booked');
    expect(alice.told).toEqual([]);
    expect(own.count).toBe(0);
  });

  it('say deadline when nothing could have renewed it', () => {
    grant(alice, 5, lease('A1', { expiresInMs: 10_000, deadlineInMs: 10_000 }));
    own.apply('s', entry(6, ['A1', 'available', '']));
    expect(alice.told).toEqual([{ seatIds: ['A1'], reason: 'deadline' }]);
  });

  it('of what the session asked to release are no loss', () => {
    grant(alice, 5, lease('A1'));
    const releasing = own.get('s', 'A1');
    if (releasing !== undefined) releasing.releasing = true;
    own.apply('s', entry(6, ['A1', 'available', 'lease-A1']));
    expect([alice.told, own.get('s', 'A1')]).toEqual([[], undefined]);
  });

  it('tell two sockets of one session apart', () => {
    const resumed = new TestSession('alice', 2);
    grant(alice, 5, lease('A1'));
    grant(resumed, 5, lease('A2'));
    own.apply('s', entry(6, ['A1', 'available', ''], ['A2', 'available', '']));
    expect([alice.told, resumed.told]).toEqual([
      [{ seatIds: ['A1'], reason: 'expired' }],
      [{ seatIds: ['A2'], reason: 'expired' }],
    ]);
  });
});

describe('the clock', () => {
  it("ends a lease, counted from when the hold was sent, never after the store's own end", () => {
    const sentMs = performance.now();
    vi.advanceTimersByTime(400);
    own.grant(alice, 's', { epoch: 'e', seq: 1 }, [lease('A1', { expiresInMs: 500 })], sentMs);
    vi.advanceTimersByTime(200);
    expect(alice.told).toEqual([{ seatIds: ['A1'], reason: 'expired' }]);
  });

  it('does not end what is renewed, or what a confirm is at work on', () => {
    grant(alice, 1, lease('A1', { expiresInMs: 500 }), lease('A2', { expiresInMs: 500 }), lease('A3'));
    const confirming = own.get('s', 'A2');
    if (confirming !== undefined) confirming.confirms = 1;
    vi.advanceTimersByTime(300);
    grant(alice, 1, lease('A1', { expiresInMs: 500 }));
    vi.advanceTimersByTime(300);
    expect(alice.told).toEqual([]);
    if (confirming !== undefined) confirming.confirms = 0;
    vi.advanceTimersByTime(150);
    expect(alice.told).toEqual([{ seatIds: ['A2'], reason: 'expired' }]);
  });

  it('is not moved back by an older grant of the same lease', () => {
    grant(alice, 1, lease('A1', { expiresInMs: 10_000 }));
    grant(alice, 1, lease('A1', { expiresInMs: 500 }));
    vi.advanceTimersByTime(2_000);
    expect(alice.told).toEqual([]);
  });
});

describe('a load', () => {
  it('tells nobody of a loss that the feed, ahead of the grant, told to be its own booking', async () => {
    own.apply('s', entry(6, ['A1', 'booked', 'lease-A1'], ['A2', 'booked', 'a-rival']));
    grant(alice, 5, lease('A1'), lease('A2'));
    await own.verify(alice, 's', ['A1', 'A2'], () => 'booked');
    expect(alice.told).toEqual([{ seatIds: ['A2'], reason: 'booked_elsewhere' }]);
    expect(alice.leases.size).toBe(0);
  });

  it('tells of the loss of a seat whose hold took others that were booked', async () => {
    const leaseId = 'of-both';
    grant(alice, 1, lease('A1', { leaseId }), lease('A2', { leaseId }));
    own.apply('s', entry(2, ['A1', 'booked', leaseId]));
    await own.compare('s', (seatId) => (seatId === 'A1' ? 'booked' : 'available'));
    expect(alice.told).toEqual([{ seatIds: ['A2'], reason: 'store_reset' }]);
  });

  it('compares what the store has: lost ones are told why', async () => {
    grant(alice, 1, lease('A1'), lease('A2'), lease('A3'));
    stillHeld = new Set(['A1']);
    await own.compare('s', (seatId) => (seatId === 'A3' ? 'booked' : 'available'));
    expect(alice.told).toEqual([
      { seatIds: ['A2'], reason: 'store_reset' },
      { seatIds: ['A3'], reason: 'booked_elsewhere' },
    ]);
    expect(own.get('s', 'A1')).toBeDefined();
  });

  it('ends one whose seat was booked in spite of it, and gives up its lock', async () => {
    grant(alice, 1, lease('A1'), lease('A2'));
    stillHeld = new Set(['A1', 'A2']);
    await own.compare('s', (seatId) => (seatId === 'A1' ? 'booked' : 'held'));
    expect(alice.told).toEqual([{ seatIds: ['A1'], reason: 'booked_elsewhere' }]);
    expect(undone).toEqual(['lease-A1']);
    expect(own.get('s', 'A2')).toBeDefined();
  });

  it('does not speak of a lease that was granted while it asked', async () => {
    grant(alice, 1, lease('A1'));
    const compared = own.compare('s', () => 'available');
    grant(alice, 2, lease('A1', { leaseId: 'new' }), lease('A2'));
    alice.told.length = 0;
    await compared;
    expect([alice.told, own.get('s', 'A1')?.leaseId]).toEqual([[], 'new']);
  });
});

describe('superseded', () => {
  it('reaches the earlier connection of the leases, once, and never the later one', () => {
    grant(alice, 1, lease('A1'), lease('A2'));
    own.superseded({ conn: 1, leaseIds: ['lease-A1'] });
    expect(alice.supersededTimes).toBe(0);
    own.superseded({ conn: 2, leaseIds: ['lease-A1', 'lease-A2', 'other'] });
    expect(alice.supersededTimes).toBe(1);
  });
});

it('closes the earlier connection also when a heartbeat missed its leases before the notice came', () => {
  grant(alice, 1, lease('A1'));
  const missed = own.get('s', 'A1');
  if (missed !== undefined) own.miss(missed);
  expect([own.count, alice.told]).toEqual([0, []]);
  own.superseded({ conn: 2, leaseIds: ['lease-A1'] });
  expect(alice.supersededTimes).toBe(1);
  vi.advanceTimersByTime(10_000);
  own.superseded({ conn: 3, leaseIds: ['lease-A1'] });
  expect(alice.supersededTimes).toBe(1);
});

it('forgets a session in silence', () => {
  grant(alice, 1, lease('A1'), lease('A2'));
  own.dropAll(alice, 'disconnected');
  expect([own.count, alice.leases.size, alice.told]).toEqual([0, 0, []]);
  expect(ends).toEqual(['disconnected', 'disconnected']);
});

it('counts each end once, by whoever is first to know, and none for what goes on elsewhere', () => {
  grant(alice, 1, lease('A1'), lease('A2'), lease('A3'));
  const [released, booked] = [own.get('s', 'A1'), own.get('s', 'A2')];
  if (released === undefined || booked === undefined) throw new Error('no leases');
  own.drop(released, 'released');
  own.drop(released, 'booked');
  own.drop(booked, 'booked');
  own.dropAll(alice, undefined);
  expect(ends).toEqual(['released', 'booked']);
});
