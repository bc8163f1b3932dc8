import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseEntry } from '../feed/entry.ts';
import { readScripts } from '../stores/lua.ts';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';
import type { ShowBench } from '../test/harness/show-bench.ts';

const alice = session('alice');
const seatIds = ['A1'];
let kit: LeaseKit;

beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

/** Every step, by the name of its file, called so that it would change something if it were let. */
const everyStep: Record<string, (show: ShowBench) => Promise<{ stale: boolean }>> = {
  adopt: ({ id }) => kit.steps.adopt(id, session('alice', 2), seatIds),
  announce: ({ id }) => kit.steps.announce(id, [{ seatId: 'A9', version: 1 }]),
  checkout: ({ id }) => kit.steps.checkout(id, alice, seatIds, 90_000),
  guard: ({ id }) => kit.steps.guard(id, [{ guardId: 'g', owner: alice, seatIds, guardMs: 90_000 }]),
  hold: ({ id }) => {
    const request = { owner: alice, leaseId: 'y', ttlMs: 90_000, maxHoldMs: 90_000 };
    return kit.steps.hold(id, [{ ...request, seatIds: ['A1', 'A2'] }]);
  },
  load: ({ id }) => kit.steps.load(id, { held: '0', announced: '0' }, 10),
  look: ({ id }) => kit.steps.look(id, true, { everyMs: 5_000, patienceMs: 2_000 }),
  read: ({ id }) => kit.steps.read(id, 0, 10),
  release: ({ id }) => kit.steps.release(id, [{ owner: alice, seatIds, named: true, graceMs: 0 }]),
  renew: ({ id }) => kit.steps.renew(id, [{ owner: alice, seatIds, renew: true }]),
  // With an epoch that is not the store's: compare-and-set.
  rotate: ({ id }) => kit.steps.rotate(id, 'another', 'new', 0),
  settle: ({ id }) => {
    const seats = [{ seatId: 'A1', leaseId: 'x', version: 1 }];
    return kit.steps.settle(id, [{ guardId: 'g', seats, won: true, gone: false }]);
  },
  // Likewise: it comes before a rotation, so it does its work whatever the run is.
  stage: ({ id }) => kit.steps.stage(id, 'another', 'new', [{ seatId: 'A9', version: 1 }]),
  sweep: async (show) =>
    kit.steps.sweep(show.id, [{ seatId: 'A1', score: String(await show.due('A1')) }], 10),
};

/** All that Redis has of the show, byte for byte. */
async function contents({ id }: ShowBench): Promise<Record<string, string>> {
  const raw = kit.at(id);
  const keys = (await raw.keys(`*{${id}}*`)).sort();
  const dumps = await Promise.all(keys.map((key) => raw.dumpBuffer(key)));
  return Object.fromEntries(keys.map((key, i) => [key, dumps[i]?.toString('base64') ?? '']));
}

describe('a step of another run', () => {
  it.each([...readScripts().keys()])('%s changes nothing and says so', async (name) => {
    const show = await kit.show();
    await show.take(alice, 'A1', { leaseId: 'x' });
    const position = `pos:{${show.id}}`;
    const call = everyStep[name];
    if (call === undefined) throw new Error(`a step without a test: ${name}`);
    for (const forget of [
      () => kit.at(show.id).hset(position, 'run', 'other'),
      () => kit.at(show.id).hdel(position, 'run'),
    ]) {
      await forget();
      const before = await contents(show);
      expect(await call(show)).toEqual({ stale: true, epoch: show.epoch });
      expect(await contents(show)).toEqual(before);
    }
    await kit.at(show.id).del(position);
    const before = await contents(show);
    expect(await call(show)).toEqual({ stale: true, epoch: '' });
    expect(await contents(show)).toEqual(before);
    expect(await show.messages()).toHaveLength(1);
  });
});

describe('rotate', () => {
  it('begins a new epoch from Postgres, clears the log, keeps the leases', async () => {
    const show = await kit.show([{ seatId: 'A8', version: 1 }]);
    await show.take(alice, 'A1', { leaseId: 'x' });
    const lock = await show.lock('A1');
    const reply = await show.rotate(show.epoch, 'second', [
      { seatId: 'A9', version: 3 },
      { seatId: 'A7', version: 2 },
    ]);
    expect(reply).toMatchObject({ stale: false, position: { epoch: 'second', seq: 0 } });
    expect([await show.sold(), await show.log(), await show.seq()]).toEqual([{ A9: '3', A7: '2' }, [], 0]);
    expect([await show.lock('A1'), await show.held()]).toEqual([lock, ['A1']]);
    expect(await show.release(alice, ['A1'])).toEqual(['A1']);
    expect(parseEntry((await show.messages()).at(-1) ?? '')).toMatchObject({
      epoch: 'second',
      from: 1,
      to: 1,
    });
  });

  it('tells every follower, by a message of the new epoch', async () => {
    const show = await kit.show();
    await show.rotate(show.epoch, 'second');
    expect((await show.messages()).map(parseEntry)).toEqual([
      { epoch: 'second', from: 1, to: 0, changes: [] },
    ]);
  });

  it('is a compare-and-set: of two servers one rotates', async () => {
    const show = await kit.show();
    await kit.at(show.id).hset(`pos:{${show.id}}`, 'run', 'other');
    const replies = await Promise.all([
      show.rotate(show.epoch, 'second', [{ seatId: 'A1', version: 1 }]),
      show.rotate(show.epoch, 'third', [{ seatId: 'A2', version: 1 }]),
    ]);
    expect(replies).toMatchObject([{ position: { epoch: 'second' } }, { position: { epoch: 'second' } }]);
    expect(await show.sold()).toEqual({ A1: '1' });
  });

  it('begins the first epoch of a show, once', async () => {
    const show = await kit.show();
    expect(await show.rotate('', 'another')).toMatchObject({ stale: false, position: { epoch: show.epoch } });
  });

  it('reads a whole show', async () => {
    const versions = Array.from({ length: 20_000 }, (_, i) => ({ seatId: `S${i}`, version: 1 + (i % 2) }));
    const show = await kit.show(versions);
    const loaded = await show.load(versions);
    expect(loaded.announced).toEqual(new Map(versions.map(({ seatId, version }) => [seatId, version])));
    expect(await show.seq()).toBe(0);
    expect(await kit.at(show.id).keys(`sold:{${show.id}}*`)).toEqual([`sold:{${show.id}}`]);
  });

  it('begins nothing without all that was staged for it', async () => {
    const show = await kit.show([{ seatId: 'A8', version: 1 }]);
    await kit.steps.stage(show.id, show.epoch, 'second', [{ seatId: 'A9', version: 1 }]);
    expect(await kit.steps.rotate(show.id, show.epoch, 'second', 2)).toMatchObject({
      position: { epoch: show.epoch },
    });
    expect([await show.sold(), await show.messages()]).toEqual([{ A8: '1' }, []]);
    expect(await kit.at(show.id).exists(`sold:{${show.id}}:second`)).toBe(0);
  });

  it('leaves what was staged in vain to its own end', async () => {
    const show = await kit.show();
    await kit.steps.stage(show.id, show.epoch, 'second', [{ seatId: 'A9', version: 1 }]);
    expect(await kit.at(show.id).ttl(`sold:{${show.id}}:second`)).toBeGreaterThan(0);
    await show.rotate(show.epoch, 'third', [{ seatId: 'A7', version: 1 }]);
    expect(await kit.at(show.id).ttl(`sold:{${show.id}}`)).toBeGreaterThan(3_600);
    await kit.steps.stage(show.id, show.epoch, 'fourth', [{ seatId: 'A9', version: 1 }]);
    expect(await kit.at(show.id).exists(`sold:{${show.id}}:fourth`)).toBe(0);
  });
});

describe('keys', () => {
  it('of a show end a week after its last change', async () => {
    const show = await kit.show();
    await show.take(alice, 'A1');
    await show.announce({ seatId: 'A2', version: 1 });
    const keys = ['pos', 'log', 'due', 'sold'].map((name) => `${name}:{${show.id}}`);
    const week = 7 * 24 * 60 * 60;
    for (const key of keys) {
      expect(await kit.at(show.id).ttl(key), key).toBeGreaterThan(week - 60);
      await kit.at(show.id).expire(key, 1_000);
    }
    await show.renew(alice, ['A1']);
    for (const key of keys) expect(await kit.at(show.id).ttl(key), key).toBeLessThanOrEqual(1_000);
    await show.release(alice, ['A1']);
    for (const key of keys.filter((key) => !key.startsWith('due')))
      expect(await kit.at(show.id).ttl(key), key).toBeGreaterThan(week - 60);
  });

  it('that a step uses are all declared, and of one slot', async () => {
    const show = await kit.show();
    await show.hold(alice, ['A1', 'A2', 'A3', 'A4'], { leaseId: 'x' });
    const calls = await monitored(show.id, async () => {
      for (const call of Object.values(everyStep)) await call(show);
      await show.rotate(show.epoch, 'second', [{ seatId: 'A9', version: 1 }]);
    });
    expect(calls.every(({ commands }) => commands.length > 1)).toBe(true);
    expect(calls).toHaveLength(Object.keys(everyStep).length + 2);
    for (const { keys, commands } of calls) {
      expect(new Set(keys.map((key) => /\{(.*)\}/.exec(key)?.[1]))).toEqual(new Set([show.id]));
      for (const [name = '', ...args] of commands.filter(([name]) => name?.toUpperCase() !== 'TIME')) {
        const used = /^(DEL|UNLINK|RENAME)$/i.test(name) ? args : args.slice(0, 1);
        expect(keys, name).toEqual(expect.arrayContaining(used));
      }
    }
  });
});

/** What Redis ran: each script's declared keys, and the commands that it called. */
async function monitored(
  showId: string,
  work: () => Promise<void>,
): Promise<{ keys: string[]; commands: string[][] }[]> {
  const raw = kit.at(showId);
  const monitor = await raw.monitor();
  const calls: { keys: string[]; commands: string[][] }[] = [];
  const mark = randomBytes(6).toString('hex');
  const done = new Promise<void>((resolve) => {
    monitor.on('monitor', (_time: string, args: string[], source: string) => {
      const [name = '', , count, ...rest] = args;
      if (args.includes(mark)) resolve();
      else if (source === 'lua') calls.at(-1)?.commands.push(args);
      else if (/^evalsha$|^eval$/i.test(name))
        calls.push({ keys: rest.slice(0, Number(count)), commands: [] });
    });
  });
  await work();
  await raw.echo(mark);
  await done;
  monitor.disconnect();
  // On a cluster other tests are at work too; and a script that a node did not know yet was named once in vain.
  return calls.filter(({ keys, commands }) => keys[0]?.includes(showId) && commands.length > 0);
}
