import { afterAll, beforeAll, expect, it } from 'vitest';
import { LeaseKit, session } from '../test/harness/lease-kit.ts';
import type { ShowBench } from '../test/harness/show-bench.ts';

/*
 * What servers say to each other through Redis: every key, field and message that the steps write. Two versions run side by side
 * while one replaces the other (OPERATIONS.md, Upgrade), so whoever changes this must see to it that the version before can live
 * with it: it passes over a field that is new, but not over another meaning of one that it knows, nor another form of a message.
 */

let kit: LeaseKit;
beforeAll(async () => {
  kit = await LeaseKit.open();
});
afterAll(() => kit.close());

const buyer = { token: 'token', conn: 1, userId: 'user' };

/** A1 is leased, A2 pinned, A3 under a confirm, A4 resumed; B1 was booked, B2 given back, C1 refunded. */
async function sale(): Promise<ShowBench> {
  const show = await kit.show([{ seatId: 'C1', version: 1 }]);
  await show.hold(buyer, ['A1', 'A2', 'A3', 'B1', 'B2'], { leaseId: 'lease' });
  await show.checkout(buyer, ['A2']);
  await show.guard('guard', buyer, ['A3', 'B1']);
  await show.settle('guard', [{ seatId: 'B1', leaseId: 'lease', version: 1 }], { won: true });
  await show.release(buyer, ['B2']);
  await show.hold(session('other'), ['A4'], { leaseId: 'resumed' });
  await show.adopt(session('other', 2), ['A4']);
  await show.announce({ seatId: 'C1', version: 2 });
  await kit.steps.look(show.id, false, { everyMs: 5_000, patienceMs: 2_000 });
  return show;
}

/** What differs from run to run, by what it is. */
const shapeOf = (value: string): string =>
  /^\d{13}$/.test(value) ? '<Unix ms>' : /^[0-9a-f]{40}$/.test(value) ? '<run id>' : value;

async function contentOf(show: ShowBench, key: string): Promise<unknown> {
  const redis = kit.at(show.id);
  const type = await redis.type(key);
  if (type === 'zset') return { zset: (await redis.zrange(key, '0', '-1', 'WITHSCORES')).map(shapeOf) };
  if (type !== 'hash') return { [type]: await redis.call('XRANGE', key, '-', '+') };
  const fields = Object.entries(await redis.hgetall(key)).map(([field, value]) => [field, shapeOf(value)]);
  return { hash: Object.fromEntries(fields) };
}

it('the keys, fields and messages of a show are those that other versions know', async () => {
  const show = await sale();
  const keys = (await kit.at(show.id).keys(`*{${show.id}}*`)).sort();
  const found = Object.fromEntries(
    await Promise.all(keys.map(async (key) => [key, await contentOf(show, key)] as const)),
  );
  const messages = await show.messages();
  const text = JSON.stringify({ found, messages })
    .replaceAll(show.id, 'show')
    .replaceAll(show.epoch, 'epoch');
  expect(JSON.parse(text)).toMatchInlineSnapshot(`
    {
      "found": {
        "due:{show}": {
          "zset": [
            "A1",
            "<Unix ms>",
            "A2",
            "<Unix ms>",
            "A3",
            "<Unix ms>",
            "A4",
            "<Unix ms>",
          ],
        },
        "lock:{show}:A1": {
          "hash": {
            "conn": "1",
            "deadline": "<Unix ms>",
            "ends": "<Unix ms>",
            "lease": "lease",
            "token": "token",
            "ttl": "60000",
            "user": "user",
          },
        },
        "lock:{show}:A2": {
          "hash": {
            "conn": "1",
            "deadline": "<Unix ms>",
            "ends": "<Unix ms>",
            "lease": "lease",
            "pinned": "1",
            "token": "token",
            "ttl": "60000",
            "user": "user",
          },
        },
        "lock:{show}:A3": {
          "hash": {
            "confirming": "1",
            "conn": "1",
            "deadline": "<Unix ms>",
            "ends": "<Unix ms>",
            "guard:guard": "1",
            "guarded": "<Unix ms>",
            "lease": "lease",
            "token": "token",
            "ttl": "60000",
            "user": "user",
          },
        },
        "lock:{show}:A4": {
          "hash": {
            "conn": "2",
            "deadline": "<Unix ms>",
            "ends": "<Unix ms>",
            "lease": "resumed",
            "token": "token-other",
            "ttl": "60000",
            "user": "user-other",
          },
        },
        "log:{show}": {
          "stream": [
            [
              "1-0",
              [
                "e",
                "epoch 1 1 A1:h:lease A2:h:lease A3:h:lease B1:h:lease B2:h:lease",
              ],
            ],
            [
              "2-0",
              [
                "e",
                "epoch 2 2 B1:b:lease",
              ],
            ],
            [
              "3-0",
              [
                "e",
                "epoch 3 3 B2:a:lease",
              ],
            ],
            [
              "4-0",
              [
                "e",
                "epoch 4 4 A4:h:resumed",
              ],
            ],
            [
              "5-0",
              [
                "e",
                "epoch 5 5 C1:a:",
              ],
            ],
          ],
        },
        "pos:{show}": {
          "hash": {
            "epoch": "epoch",
            "look": "<Unix ms>",
            "run": "<run id>",
            "seq": "5",
          },
        },
        "sold:{show}": {
          "hash": {
            "B1": "1",
            "C1": "2",
          },
        },
      },
      "messages": [
        "epoch 1 1 A1:h:lease A2:h:lease A3:h:lease B1:h:lease B2:h:lease",
        "epoch 2 2 B1:b:lease",
        "epoch 3 3 B2:a:lease",
        "epoch 4 4 A4:h:resumed",
        "superseded 2 resumed",
        "epoch 5 5 C1:a:",
      ],
    }
  `);
});
