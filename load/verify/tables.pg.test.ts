import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PostgresConnection } from '../../server/stores/postgres-connection.ts';
import { createDatabase, type TestDatabase } from '../../server/test/harness/services.ts';
import {
  bookingIdOf,
  confirmed,
  type Reply,
  refusal,
  requestIdOf,
  SHOW,
  Story,
  userOf,
} from './history-kit.ts';
import { verify } from './verify.ts';

let database: TestDatabase;
let sql: PostgresConnection;
const run = (text: string) => sql.script(text, 10_000);

beforeAll(async () => {
  database = await createDatabase();
  const limits = { statementTimeoutMs: 10_000, lockTimeoutMs: 10_000 };
  sql = await PostgresConnection.open({ url: database.url, ...limits }, 10_000);
  // With the index there could be no double booking to find.
  await run('DROP INDEX uq_booking_live_seat');
});
afterAll(async () => {
  await sql.close();
  await database.drop();
});
beforeEach(async () => {
  await run(`
    TRUNCATE shows, seats, booking_requests, bookings;
    INSERT INTO shows (id, name) VALUES ('${SHOW}', '${SHOW}'), ('other', 'other');
    INSERT INTO seats (show_id, id, position) SELECT show, 'A' || n, n
      FROM generate_series(1, 4) n, unnest(ARRAY['${SHOW}', 'other']) show`);
});

interface Request {
  user?: number;
  seatIds?: string[];
  outcome?: string;
}

async function request(request: number, { user = 1, seatIds = ['A1'], outcome = 'BOOKED' }: Request = {}) {
  const conflicts = outcome === 'TAKEN' ? "'{}'" : 'NULL';
  await run(`INSERT INTO booking_requests (request_id, user_id, show_id, seat_ids, outcome, conflicts)
    VALUES ('${requestIdOf(request)}', '${userOf(user)}', '${SHOW}', '{${seatIds.join()}}', '${outcome}', ${conflicts})`);
}

async function book(
  booking: number,
  of: number,
  { user = 1, seatId = 'A1', mark = true, cancelled = false } = {},
) {
  await run(`INSERT INTO bookings (id, show_id, seat_id, user_id, request_id, cancelled_at)
    VALUES ('${bookingIdOf(booking)}', '${SHOW}', '${seatId}', '${userOf(user)}', '${requestIdOf(of)}',
      ${cancelled ? 'now()' : 'NULL'})`);
  if (mark && !cancelled)
    await run(`UPDATE seats SET status = 'BOOKED' WHERE show_id = '${SHOW}' AND id = '${seatId}'`);
}

const kindsOf = async (showId?: string) =>
  Object.keys((await verify({ databaseUrl: database.url, showId })).kinds);

describe('tables', () => {
  it('that are sound are fine: booked, refused, refunded', async () => {
    await request(1, { seatIds: ['A1', 'A2'] });
    await book(1, 1);
    await book(2, 1, { seatId: 'A2' });
    await request(2, { outcome: 'TAKEN' });
    await request(3, { seatIds: ['A3'] });
    await book(3, 3, { seatId: 'A3', cancelled: true });
    const { ok, looked } = await verify({ databaseUrl: database.url });
    expect({ ok, looked }).toEqual({ ok: true, looked: { requests: 3, bookings: 3 } });
  });

  it('with a seat that is booked twice: both rows are shown', async () => {
    await request(1);
    await book(1, 1);
    await request(2);
    await book(2, 2);
    const { violations } = await verify({ databaseUrl: database.url });
    expect(violations).toMatchObject([{ rule: 'I1', what: 'seat A1 of show is booked twice' }]);
    expect(violations[0]?.operations.join()).toMatch(new RegExp(`${bookingIdOf(1)}.*${bookingIdOf(2)}`));
    expect(await kindsOf('other')).toEqual([]);
  });

  it.each<[string, () => Promise<void>, string[]]>([
    [
      'half a request',
      async () => {
        await request(1, { seatIds: ['A1', 'A2'] });
        await book(1, 1);
      },
      ['partial_request'],
    ],
    [
      'half a refund',
      async () => {
        await request(1, { seatIds: ['A1', 'A2'] });
        await book(1, 1);
        await book(2, 1, { seatId: 'A2', cancelled: true });
      },
      ['partial_refund'],
    ],
    ['a request without bookings', () => request(1), ['request_without_bookings']],
    [
      'a refused request with bookings',
      async () => {
        await request(1, { outcome: 'LOST' });
        await book(1, 1);
      },
      ['refused_with_bookings'],
    ],
    [
      'a booking of another user',
      async () => {
        await request(1);
        await book(1, 1, { user: 2 });
      },
      ['foreign_booking'],
    ],
    [
      'a booking of no seat',
      async () => {
        await request(1, { seatIds: ['Z9'] });
        await book(1, 1, { seatId: 'Z9' });
      },
      ['unknown_seat'],
    ],
    [
      'a booking whose seat is available',
      async () => {
        await request(1);
        await book(1, 1, { mark: false });
      },
      ['seat_status'],
    ],
    [
      'a booked seat without a booking',
      () => run(`UPDATE seats SET status = 'BOOKED' WHERE show_id = '${SHOW}' AND id = 'A1'`),
      ['seat_status'],
    ],
    [
      'a version that is not its status',
      async () => {
        await run('ALTER TABLE seats DROP CONSTRAINT seats_version_says_status');
        await run(`UPDATE seats SET version = 3 WHERE show_id = '${SHOW}' AND id = 'A1'`);
      },
      ['version_parity'],
    ],
  ])('with %s', async (_, corrupt, kinds) => {
    await corrupt();
    expect(await kindsOf()).toEqual(kinds);
  });
});

describe('a history and its tables', () => {
  const story = () => new Story().join(1, 1).join(2, 2).hold(1, 10, 12);
  const elsewhere: Reply = {
    ...{ type: 'lease_lost', showId: SHOW, seatIds: ['A1'], reason: 'booked_elsewhere' },
  };
  const judge = async (told: Story) => Object.keys((await told.judge(database.url)).kinds);

  it('that agree are fine', async () => {
    await request(1);
    await book(1, 1);
    await request(2, { user: 2, seatIds: ['A2'], outcome: 'LOST' });
    const told = story()
      .watch(2, 13, 1, ['A1'])
      .confirm(1, 100, 1, confirmed(1))
      .delta(2, 104, 2, 2, { A1: 'booked' })
      .refused(2, 150, 155, 'booked')
      .confirm(2, 160, 2, refusal('lease_lost', { seats: {} }), ['A2'])
      .end(9_000, { seq: 2, booked: ['A1'] });
    const { violations } = await told.judge(database.url);
    expect(violations).toEqual([]);
  });

  it.each<[string, () => Promise<unknown>, () => Story, string[]]>([
    [
      'confirmed without rows',
      async () => undefined,
      () => story().confirm(1, 100, 1, confirmed(1)),
      ['confirmed_without_rows'],
    ],
    [
      'confirmed with other bookings',
      async () => [await request(1), await book(5, 1)],
      () => story().confirm(1, 100, 1, confirmed(1)),
      ['confirmed_otherwise'],
    ],
    [
      'refused, and booked all the same',
      async () => [await request(1), await book(1, 1)],
      () =>
        story()
          .confirm(1, 100, 1, refusal('lease_lost', { seats: {} }))
          .closing(1, 90),
      ['refused_but_booked'],
    ],
    [
      'busy, and booked all the same',
      async () => [await request(1), await book(1, 1)],
      () => story().confirm(1, 100, 1, refusal('busy', {}, true)),
      ['booked_in_silence'],
    ],
    [
      'rows that nobody asked for',
      async () => [await request(9), await book(1, 9)],
      () => story().watch(2, 20, 1, [], ['A1']),
      ['unasked_row'],
    ],
    [
      'rows for another user',
      async () => [await request(1, { user: 2 }), await book(1, 1, { user: 2 })],
      () => story().confirm(1, 100, 1, undefined),
      ['unasked_row'],
    ],
    [
      'called refunded, and live',
      async () => [await request(1), await book(1, 1)],
      () =>
        story()
          .confirm(1, 90, 1, undefined)
          .confirm(1, 100, 1, confirmed(1, { replayed: true, refunded: true })),
      ['refunded_without_rows'],
    ],
    [
      'a refusal as booked of what nobody booked',
      async () => undefined,
      () => story().refused(2, 100, 105, 'booked'),
      ['refused_without_reason'],
    ],
    [
      'a lease lost to a booking that nobody made',
      async () => undefined,
      () => story().push(1, 100, elsewhere),
      ['booked_by_nobody'],
    ],
    [
      'a map without the booking',
      async () => [await request(1), await book(1, 1)],
      () =>
        story()
          .watch(2, 20, 1, ['A1'])
          .confirm(1, 100, 1, confirmed(1))
          .end(9_000, { seq: 1, held: ['A1'], booked: [] }),
      ['not_converged'],
    ],
    [
      'booked, then not, without a refund',
      async () => undefined,
      () => story().watch(2, 20, 1, [], ['A2']).delta(2, 30, 2, 2, { A2: 'available' }),
      ['booked_turned_back'],
    ],
    [
      'shown booked and never was',
      async () => undefined,
      () => story().watch(2, 20, 1, [], ['A2']).close(2, 50),
      ['booked_for_nobody'],
    ],
  ])('that disagree: %s', async (_, prepare, told, kinds) => {
    await prepare();
    expect(await judge(told())).toEqual(kinds);
  });

  it('a lease lost to a booking that somebody made, known here or not, is fine', async () => {
    const asked = () =>
      story()
        .push(1, 100, elsewhere)
        .confirm(2, 90, 1, refusal('outcome_unknown', {}, true));
    expect(await judge(asked())).toEqual([]);
    await request(9);
    await book(1, 9);
    expect(await judge(story().push(1, 100, elsewhere))).toEqual([]);
  });

  it('an unknown outcome is booked or not: both are right', async () => {
    const unknown = () => story().confirm(1, 100, 1, refusal('outcome_unknown', {}, true));
    expect(await judge(unknown())).toEqual([]);
    await request(1);
    await book(1, 1);
    expect(await judge(unknown())).toEqual([]);
  });

  it('booked turns back with a refund', async () => {
    await request(1);
    await book(1, 1, { cancelled: true });
    const told = story().watch(2, 20, 1, ['A1']).confirm(1, 100, 1, confirmed(1));
    expect(
      await judge(told.delta(2, 101, 2, 2, { A1: 'booked' }).delta(2, 300, 3, 3, { A1: 'available' })),
    ).toEqual([]);
  });
});
