import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Client, type Confirmed, type Lease, RowlockError, type Watch } from '../../protocol/client.ts';
import { theatre } from '../dev/halls.ts';
import { Memory } from './memory.ts';
import { planOf } from './plan.ts';
import { type Notice, Sale } from './sale.ts';

const lease: Lease = { expiresAtMs: 30_000, deadlineAtMs: 600_000, pinned: false };
const watch: Watch = {
  showId: 'demo',
  ready: Promise.resolve(),
  live: true,
  error: undefined,
  position: undefined,
  seatCount: 200,
  stateOf: () => 'available',
  count: () => 0,
  seatsIn: () => [].values(),
  onChange: () => () => undefined,
  close: () => undefined,
};

/** A sale whose buyer has C3 and C4, and whose confirms are answered one after the other as told. */
function saleWith(...answers: (RowlockError | Partial<Confirmed>)[]) {
  const asked: { requestId: string | undefined; seatIds: readonly string[] }[] = [];
  const notices: Notice[] = [];
  const unused = () => Promise.reject(new Error('not asked for here'));
  const seats = new Map(['C3', 'C4'].map((seatId) => [seatId, lease]));
  const client: Client = {
    state: 'live',
    userId: 'u',
    session: 's',
    terms: undefined,
    leases: new Map([['demo', seats]]),
    saved: undefined,
    on: () => () => undefined,
    watch: () => watch,
    hold: unused,
    release: unused,
    checkout: unused,
    close: unused,
    confirm: async (showId, seatIds, { requestId = '' } = {}) => {
      asked.push({ requestId, seatIds });
      const answer = answers.shift();
      if (answer === undefined || answer instanceof RowlockError) throw answer;
      return { showId, seatIds, requestId, bookings: [], replayed: false, refunded: false, ...answer };
    },
  };
  const plan = planOf({ id: 'demo', name: 'Demo', seats: theatre() });
  const memory = new Memory();
  const nothing = () => undefined;
  const sale = new Sale(client, plan, memory, {
    seats: nothing,
    basket: nothing,
    said: (notice) => notices.push(notice),
  });
  return { sale, memory, asked, notices };
}

const unknown = new RowlockError({ code: 'outcome_unknown', message: 'Not known.', retryable: true });

afterEach(() => vi.useRealTimers());

describe('a booking', () => {
  it('whose outcome is not known is asked for until it is, though its seats have left the basket', async () => {
    vi.useFakeTimers();
    const { sale, memory, asked, notices } = saleWith(unknown, unknown, { replayed: true });
    await sale.book();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(3);
    expect(new Set(asked.map(({ requestId }) => requestId)).size).toBe(1);
    expect(notices.map(({ tone }) => tone)).toEqual(['bad', 'good']);
    expect(sale.bought).toHaveLength(1);
    expect(memory.asking).toBeUndefined();
  });

  it('is asked for no more once its show is closed', async () => {
    vi.useFakeTimers();
    const { sale, asked } = saleWith(unknown, { replayed: true });
    await sale.book();
    sale.close();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(asked).toHaveLength(1);
  });

  it('that was not made because the server was busy is not made by a reload', async () => {
    const { sale, memory } = saleWith(new RowlockError({ code: 'busy', message: '', retryable: true }));
    await sale.book();
    expect(memory.asking).toBeUndefined();
  });

  it('whose outcome is not known is asked for again by the same id, and is a ticket then', async () => {
    const { sale, memory, asked, notices } = saleWith(unknown, { replayed: true });
    await sale.book();
    expect(memory.asking?.requestId).toBe(asked[0]?.requestId);
    await sale.book();
    expect(asked).toHaveLength(2);
    expect(asked[1]).toEqual(asked[0]);
    expect(notices.at(-1)).toMatchObject({ tone: 'good', text: expect.stringContaining('Booked') });
    expect(sale.bought).toHaveLength(1);
    expect(memory.asking).toBeUndefined();
  });

  it('that was refunded meanwhile is no ticket, and is not called one', async () => {
    const { sale, notices } = saleWith({ replayed: true, refunded: true });
    await sale.book();
    expect(notices).toEqual([{ tone: 'bad', text: expect.stringContaining('refunded') }]);
    expect(sale.bought).toEqual([]);
  });

  it('is not asked for by the next visitor of this tab', async () => {
    const { sale, memory } = saleWith(unknown);
    await sale.book();
    memory.forgetSession();
    expect(memory.asking).toBeUndefined();
  });
});
