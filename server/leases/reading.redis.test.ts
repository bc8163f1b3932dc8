import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEntry } from '../feed/entry.ts';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';
import { fresh } from '../test/harness/show-bench.ts';
import { scan } from './slices.ts';

const alice = session('alice');
let kit: LeaseKit;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

describe('versions', () => {
  it('that are late or repeated do nothing', async () => {
    const show = await kit.show();
    await show.announce({ seatId: 'A1', version: 2 });
    await show.announce({ seatId: 'A1', version: 1 });
    await show.announce({ seatId: 'A1', version: 2 });
    await show.announce();
    expect([await show.sold(), await show.changes()]).toEqual([{ A1: '2' }, ['A1:available:']]);
    expect(await show.seq()).toBe(1);
  });

  it('compare as numbers', async () => {
    const show = await kit.show();
    await show.announce({ seatId: 'A1', version: 9 });
    await show.announce({ seatId: 'A1', version: 10 });
    expect(await show.changes()).toEqual(['A1:booked:', 'A1:available:']);
  });

  it("compose the state from Redis' own record", async () => {
    const show = await kit.show();
    await show.take(alice, 'A1', { leaseId: 'x' });
    await show.announce({ seatId: 'A1', version: 1 }, { seatId: 'A2', version: 4 });
    await show.announce({ seatId: 'A1', version: 2 });
    await show.release(alice, ['A1']);
    await show.announce({ seatId: 'A1', version: 3 });
    const [, ...changes] = await show.changes();
    expect(changes).toEqual(['A1:booked:', 'A2:available:', 'A1:held:', 'A1:available:x', 'A1:booked:']);
  });
});

describe('load', () => {
  it('reads position, leases and booking states, and what is not known yet is announced after it', async () => {
    const show = await kit.show([{ seatId: 'A1', version: 1 }]);
    await show.hold(alice, ['A2', 'A3']);
    const loaded = await show.load([
      { seatId: 'A1', version: 1 },
      { seatId: 'A2', version: 3 },
    ]);
    expect(loaded).toMatchObject({
      held: ['A2', 'A3'],
      announced: new Map([['A1', 1]]),
      position: { epoch: show.epoch, seq: 1 },
    });
    expect((await show.changes()).slice(2)).toEqual(['A2:booked:']);
  });

  it('reads a large show slice by slice, each of them small', async () => {
    const versions = Array.from({ length: 3_000 }, (_, i) => ({ seatId: `S${i}`, version: 1 }));
    const show = await kit.show(versions);
    const seatIds = Array.from({ length: 2_000 }, (_, i) => `H${i}`);
    for (let i = 0; i < 2_000; i += 100) await show.hold(alice, seatIds.slice(i, i + 100));
    let slices = 0;
    const scanned = await scan(async (from) => {
      const slice = fresh(await kit.steps.load(show.id, from, 100));
      slices += 1;
      expect(slice.held.length + slice.versions.length).toBeLessThan(1_000);
      return slice;
    });
    expect(slices).toBeGreaterThan(10);
    expect([scanned?.announced.size, new Set(scanned?.held)]).toEqual([3_000, new Set(seatIds)]);
  });

  it('tells when the slices are of two epochs, and when the position went backwards between them', async () => {
    const versions = Array.from({ length: 3_000 }, (_, i) => ({ seatId: `S${i}`, version: 1 }));
    const show = await kit.show(versions);
    await show.take(alice, 'A1');
    const scanWhile = (work: () => Promise<unknown>) =>
      scan(async (from) => {
        const slice = fresh(await kit.steps.load(show.id, from, 1_000));
        await work();
        return slice;
      });
    expect(await scanWhile(() => kit.at(show.id).hset(`pos:{${show.id}}`, 'seq', 0))).toMatchObject({
      wentBackwards: true,
      reachedSeq: 1,
    });
    expect(await scanWhile(() => show.rotate(show.epoch, 'second', versions))).toBeUndefined();
  });

  it('that learns nothing takes no seq', async () => {
    const show = await kit.show([{ seatId: 'A1', version: 2 }]);
    expect(await show.load([{ seatId: 'A1', version: 1 }])).toMatchObject({ position: { seq: 0 } });
    expect(await show.messages()).toEqual([]);
  });
});

describe('read', () => {
  it('answers the entries after a seq, as they were published, and the position', async () => {
    const show = await kit.show();
    for (const seatId of ['A1', 'A2', 'A3']) await show.take(alice, seatId);
    await show.holdAll(['A4', 'A5'].map((seatId) => ({ owner: alice, seatIds: [seatId] })));
    const messages = await show.messages();
    expect(await show.read(0)).toEqual(messages);
    expect(await show.read(2)).toEqual(messages.slice(2));
    expect(await show.read(5)).toEqual([]);
    expect(await show.read(1, 2)).toEqual(messages.slice(1, 3));
    // An entry of several seqs is found from the middle of its range too.
    expect(await show.read(4)).toEqual(messages.slice(3));
  });

  it('shows when the log does not reach: the first entry begins too late', async () => {
    const show = await kit.show();
    for (const seatId of ['A1', 'A2', 'A3']) await show.take(alice, seatId);
    await kit.at(show.id).xtrim(`log:{${show.id}}`, 'MAXLEN', '=', 1);
    expect((await show.read(0)).map((text) => parseEntry(text)?.from)).toEqual([3]);
  });

  it('keeps about ten thousand entries', async () => {
    const show = await kit.show();
    const filled = 10_300;
    const fill = `for i = 1, ${filled} do redis.call('XADD', KEYS[1], i .. '-0', 'e', 'of old') end`;
    await kit.at(show.id).eval(fill, 1, `log:{${show.id}}`);
    await kit.at(show.id).hset(`pos:{${show.id}}`, 'seq', filled);
    await show.take(alice, 'A1');
    const kept = (await show.log()).length;
    expect(kept).toBeGreaterThanOrEqual(10_000);
    expect(kept).toBeLessThan(10_200);
    expect(await show.read(filled)).toEqual(await show.messages());
  });
});
