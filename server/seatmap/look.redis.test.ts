import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Leases, type SeatVersion } from '../leases/leases.ts';
import { LeaseKit } from '../test/harness/lease-kit.ts';
import type { ShowBench } from '../test/harness/show-bench.ts';
import { lookInTurn, lookTimes } from './look.ts';

let kit: LeaseKit;
const opened: Leases[] = [];

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit?.close());
afterEach(() => {
  for (const leases of opened.splice(0)) leases.close();
});

/** What Postgres says, and how often it was asked. */
class Postgres {
  reads = 0;
  versions: SeatVersion[] = [];
  isAway = false;

  async seatVersions(): Promise<readonly SeatVersion[]> {
    this.reads += 1;
    if (this.isAway) throw new Error('Postgres is away');
    return this.versions;
  }
}

/** One of several servers, which meet in the stores alone. */
function server(postgres: Postgres): Leases {
  const seatVersions = () => postgres.seatVersions();
  const leases = new Leases({
    ...{ store: kit.store, seatVersions, guardMs: 4_000, maxHoldMs: 600_000, checkoutMs: 60_000 },
  });
  opened.push(leases);
  return leases;
}

const set = (show: ShowBench, due: string | number) => kit.at(show.id).hset(`pos:{${show.id}}`, 'look', due);
/** As if the time between two looks had gone by. */
const makeDue = (show: ShowBench) => set(show, 0);
const never = { everyMs: 3_600_000, patienceMs: 3_600_000 };

describe('of all servers', () => {
  it('one looks at a time, and the others come back when it may be due', async () => {
    const show = await kit.show();
    const postgres = new Postgres();
    const servers = Array.from({ length: 8 }, () => server(postgres));
    for (const looks of [1, 2, 3]) {
      const turns = await Promise.all(servers.map((leases) => lookInTurn(leases, postgres, show.id, never)));
      expect(postgres.reads).toBe(looks);
      expect(turns.filter(({ looked }) => looked !== undefined)).toMatchObject([{ looked: 'same' }]);
      for (const { nextInMs } of turns) expect(nextInMs).toBeGreaterThan(never.everyMs / 2);
      // Who had it asks last, so that it goes round.
      const last = turns.toSorted((x, y) => y.nextInMs - x.nextInMs)[0];
      expect(last?.looked).toBe('same');
      // Not before its time, whoever asks.
      for (const leases of servers) await lookInTurn(leases, postgres, show.id, never);
      expect(postgres.reads).toBe(looks);
      await makeDue(show);
    }
  });

  it('the next one looks when the one whose turn it is never says that it has', async () => {
    const show = await kit.show();
    const postgres = new Postgres();
    const times = { everyMs: never.everyMs, patienceMs: 20 };
    expect(await server(postgres).askToLook(show.id, times)).toMatchObject({ mine: true, nextInMs: 20 });
    await show.passed((await show.now()) + times.patienceMs);
    expect(await lookInTurn(server(postgres), postgres, show.id, times)).toMatchObject({ looked: 'same' });
  });

  it('the next one looks when Postgres does not answer the one whose turn it is', async () => {
    const show = await kit.show();
    const [cutOff, well] = [new Postgres(), new Postgres()];
    cutOff.isAway = true;
    well.versions = [{ seatId: 'A1', version: 1 }];
    const times = { everyMs: never.everyMs, patienceMs: 20 };
    await expect(lookInTurn(server(cutOff), cutOff, show.id, times)).rejects.toThrow('away');
    await show.passed((await show.now()) + times.patienceMs);
    const turn = await lookInTurn(server(well), well, show.id, times);
    expect([turn.looked, await show.sold()]).toEqual(['announced', { A1: '1' }]);
  });

  it('one that comes to its end after its time was over takes nothing from the next', async () => {
    const show = await kit.show();
    const postgres = new Postgres();
    const [slow, next, third] = [server(postgres), server(postgres), server(postgres)];
    await slow.askToLook(show.id, { ...never, patienceMs: 0 });
    expect(await next.askToLook(show.id, never)).toMatchObject({ mine: true });
    await slow.looked(show.id, never);
    expect(await third.askToLook(show.id, never)).toMatchObject({ mine: false });
    expect((await next.looked(show.id, never)).nextInMs).toBe(never.everyMs);
  });
});

it.each([
  ['the clock of Redis was turned back', async (show: ShowBench) => (await show.now()) + 2 * never.everyMs],
  ['its time is none', async () => 'nan'],
  ['its time is nonsense', async () => 'tomorrow'],
  ['its time is long over', async () => -1],
])('it is due when %s', async (_what, due) => {
  const show = await kit.show();
  const postgres = new Postgres();
  await set(show, await due(show));
  expect(await lookInTurn(server(postgres), postgres, show.id, never)).toMatchObject({ looked: 'same' });
  expect(await server(postgres).askToLook(show.id, never)).toMatchObject({ mine: false });
});

it('goes on when a new epoch has begun meanwhile', async () => {
  const show = await kit.show();
  const postgres = new Postgres();
  const leases = server(postgres);
  await lookInTurn(leases, postgres, show.id, never);
  await kit.forget(show.id);
  expect(await lookInTurn(leases, postgres, show.id, never)).toMatchObject({ looked: 'same' });
  expect(await lookInTurn(leases, postgres, show.id, never)).toMatchObject({ looked: undefined });
});

describe('what one server finds', () => {
  const decided = [
    { seatId: 'A1', version: 1 },
    { seatId: 'A2', version: 2 },
    { seatId: 'A3', version: 3 },
  ];

  async function found(lie: (show: ShowBench) => Promise<unknown>, versions: SeatVersion[] = decided) {
    const show = await kit.show(decided);
    const postgres = new Postgres();
    postgres.versions = versions;
    await lie(show);
    const { looked } = await lookInTurn(server(postgres), postgres, show.id, lookTimes);
    const { epoch } = await server(postgres).position(show.id);
    return {
      looked,
      isNewEpoch: epoch !== show.epoch,
      sold: await show.sold(),
      changes: await show.changes(),
    };
  }
  const sold = (show: ShowBench) => `sold:{${show.id}}`;
  const isTrue = { A1: '1', A2: '2', A3: '3' };

  it('is nothing when all is as announced: nothing is announced', async () => {
    const nothing = { looked: 'same', isNewEpoch: false, sold: isTrue, changes: [] };
    expect(await found(async () => {})).toEqual(nothing);
  });

  it.each([
    ['booked by hand', [...decided, { seatId: 'A4', version: 1 }], 'A4:booked:'],
    ['given back by hand', [{ seatId: 'A1', version: 2 }, ...decided.slice(1)], 'A1:available:'],
  ])('a row %s is told to all', async (_what, versions, change) => {
    expect(await found(async () => {}, versions)).toMatchObject({
      ...{ looked: 'announced', isNewEpoch: false, changes: [change] },
    });
  });

  it.each([
    ['all of them', (show: ShowBench) => kit.at(show.id).del(sold(show))],
    ['one of them', (show: ShowBench) => kit.at(show.id).hdel(sold(show), 'A3')],
    ['the last of a seat', (show: ShowBench) => kit.at(show.id).hset(sold(show), 'A3', 2)],
  ])('lost announcements, %s, are made again', async (_what, lie) => {
    expect(await found(lie)).toMatchObject({ looked: 'announced', isNewEpoch: false, sold: isTrue });
  });

  it.each([
    ['ahead of Postgres', ['A1', 2]],
    ['of a seat that was never booked', ['A5', 7]],
    ['that is no version', ['A2', 'nonsense']],
    ['that is no number', ['A2', 'nan']],
  ])('an announcement %s is void, and with it the epoch', async (_what, fields) => {
    const lie = (show: ShowBench) => kit.at(show.id).hset(sold(show), ...fields);
    expect(await found(lie)).toMatchObject({ looked: 'rotated', isNewEpoch: true, sold: isTrue });
  });

  it('announcements that Postgres has lost are void too', async () => {
    const lost = await found(async () => {}, decided.slice(0, 2));
    expect(lost).toMatchObject({ looked: 'rotated', isNewEpoch: true, sold: { A1: '1', A2: '2' } });
  });
});
