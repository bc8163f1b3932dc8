import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCodes, limits } from '../../protocol/index.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor } from './harness/backdoor.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';

let stage: TestStage;
let app: TestApp;
let backdoor: Backdoor;
const crowd = new Crowd();
const showId = 'frames';

beforeAll(async () => {
  stage = await openStage();
  app = await stage.start({ ALLOWED_ORIGINS: 'https://shop.example' });
  backdoor = new Backdoor(stage);
  await stage.createShow(showId);
});
afterAll(async () => {
  await crowd.leave();
  await backdoor.close();
  await stage.close();
});

/** The status of an upgrade with these headers, and the subprotocol that the server chose. */
function upgrade(
  headers: Record<string, string>,
): Promise<{ status: number; subprotocol: string | undefined }> {
  return new Promise((resolve, reject) => {
    const asked = request(`${app.url}/ws`, {
      headers: {
        connection: 'Upgrade',
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
        ...headers,
      },
    });
    asked.once('error', reject);
    asked.once('response', (response) => {
      response.resume();
      resolve({ status: response.statusCode ?? 0, subprotocol: undefined });
    });
    asked.once('upgrade', ({ headers: { 'sec-websocket-protocol': subprotocol } }, socket) => {
      socket.destroy();
      resolve({ status: 101, subprotocol });
    });
    asked.end();
  });
}

describe('the upgrade', () => {
  it('takes the subprotocol rowlock.v1 or none, and refuses any other with 400', async () => {
    const offer = (names: string) => upgrade({ 'sec-websocket-protocol': names });
    expect(await upgrade({})).toEqual({ status: 101, subprotocol: undefined });
    expect(await offer('rowlock.v1')).toEqual({ status: 101, subprotocol: 'rowlock.v1' });
    expect(await offer('other, rowlock.v1')).toEqual({ status: 101, subprotocol: 'rowlock.v1' });
    expect(await offer('rowlock.v2')).toMatchObject({ status: 400 });
    expect(await offer('other')).toMatchObject({ status: 400 });
  });

  it('refuses a foreign Origin with 403', async () => {
    expect(await upgrade({ origin: 'https://evil.example' })).toMatchObject({ status: 403 });
    expect(await upgrade({ origin: 'https://shop.example' })).toMatchObject({ status: 101 });
  });
});

describe('every frame', () => {
  it('gets exactly one reply with its id, also when many are sent without waiting', async () => {
    const client = await crowd.join(app.url);
    const rival = await crowd.join(app.url);
    await rival.request<'held'>({ type: 'hold', showId, seatIds: ['A9'] });
    const seatIds = ['A1', 'A2'];
    const requestId = randomUUID();
    const ids = Array.from({ length: 20 }, () => [
      client.send({ type: 'watch', showId }),
      client.send({ type: 'hold', showId, seatIds }),
      client.send({ type: 'hold', showId, seatIds: ['A9'] }),
      client.send({ type: 'hold', showId: 'nowhere', seatIds }),
      client.send({ type: 'heartbeat' }),
      client.send({ type: 'checkout', showId, seatIds: ['A8'] }),
      client.send({ type: 'release', showId, seatIds: ['A3'] }),
      client.send({ type: 'unwatch', showId }),
      client.send(confirmOf(showId, ['A7'], requestId)),
      client.send({ type: 'hello' }),
    ]).flat();
    await Promise.all(ids.map((id) => client.reply(id)));
    // Whatever else would come has come before the answer to this.
    ids.push(client.send({ type: 'heartbeat' }));
    await client.reply(ids.at(-1) ?? '');
    const replied = client.frames.flatMap((frame) => ('id' in frame && frame.id ? [frame.id] : []));
    expect(replied.filter((id) => id !== 'r1').sort()).toEqual([...ids].sort());
    await client.request<'released'>({ type: 'release', showId });
  });

  it('may carry any printable id, and gets it back as it was', async () => {
    const client = await crowd.join(app.url);
    for (const id of [' ', '~'.repeat(64), '"\\{}', '__proto__']) {
      expect(await client.request<'renewed'>({ type: 'heartbeat', id })).toMatchObject({ id });
    }
  });
});

describe('watching', () => {
  it('answers with a snapshot, pushes what changes, and ends with unwatch', async () => {
    await stage.createShow('watched', 5);
    const holder = await crowd.join(app.url);
    await holder.request<'held'>({ type: 'hold', showId: 'watched', seatIds: ['A1', 'A2', 'A3'] });
    await holder.request<'confirmed'>(confirmOf('watched', ['A2']));
    const early = await crowd.watch(app.url, 'watched');
    await early.untilSeat('watched', 'A2', 'booked');
    const client = await crowd.join(app.url);
    const snapshot = await client.request<'snapshot'>({ type: 'watch', showId: 'watched' });
    const { epoch, seq } = snapshot;
    const expected = { type: 'snapshot', showId: 'watched', seats: 5, held: ['A1', 'A3'], booked: ['A2'] };
    expect(snapshot).toMatchObject(expected);
    // With where it stands, it is told that nothing happened.
    const since = { epoch, seq };
    const nothing = await client.request<'delta'>({ type: 'watch', showId: 'watched', since });
    expect(nothing).toMatchObject({ type: 'delta', epoch, from: seq, to: seq, changes: {} });
    await holder.request<'released'>({ type: 'release', showId: 'watched' });
    await client.untilSeat('watched', 'A1', 'available');
    const delta = await client.request<'delta'>({ type: 'watch', showId: 'watched', since });
    const changes = { A1: 'available', A3: 'available' };
    expect(delta).toMatchObject({ from: seq + 1, to: seq + 1, changes });

    const unwatched = await client.request<'unwatched'>({ type: 'unwatch', showId: 'watched' });
    expect(unwatched).toMatchObject({ showId: 'watched' });
    const before = client.frames.length;
    const other = await crowd.watch(app.url, 'watched');
    await holder.request<'held'>({ type: 'hold', showId: 'watched', seatIds: ['A5'] });
    await other.untilSeat('watched', 'A5', 'held');
    await client.request<'renewed'>({ type: 'heartbeat' });
    expect(client.frames.slice(before).map(({ type }) => type)).toEqual(['renewed']);
  });

  it('knows its shows, and takes an unwatch of what is not watched', async () => {
    const client = await crowd.join(app.url);
    expect(await client.refusal({ type: 'watch', showId: 'nowhere' })).toMatchObject({
      code: 'unknown_show',
    });
    expect(await client.refusal({ type: 'unwatch', showId: 'nowhere' })).toMatchObject({
      code: 'unknown_show',
    });
    await client.request<'unwatched'>({ type: 'unwatch', showId });
  });
});

const uuid = '0198a3c4-7e1d-7c52-b1f0-6d2e8a9b0c1d';
const holdWith = (changes: object) => ({ type: 'hold', id: 'x', showId, seatIds: ['A15'], ...changes });
const confirmWith = (changes: object) => ({ ...holdWith({ type: 'confirm', requestId: uuid }), ...changes });
const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;

/** What, as it is sent, and the code of the refusal. */
const badInput: readonly [string, string | object, string][] = [
  ['nothing', '', 'bad_frame'],
  ['not JSON', '{"type":"hold"', 'bad_frame'],
  ['words', 'hello', 'bad_frame'],
  ['an array', '[]', 'bad_frame'],
  ['null', 'null', 'bad_frame'],
  ['a number', '7', 'bad_frame'],
  ['a string', '"hello"', 'bad_frame'],
  ['an empty object', '{}', 'bad_frame'],
  ['deep nesting', deep, 'bad_frame'],
  ['deep nesting in a field', `{"type":"hold","id":"x","showId":${deep}}`, 'bad_frame'],
  [
    'a number beyond all',
    `{"type":"hold","id":"x","showId":"${showId}","seatIds":["A15"],"ttlMs":1e309}`,
    'bad_frame',
  ],
  ['__proto__', `{"type":"heartbeat","id":"x","__proto__":{"a":1}}`, 'bad_frame'],
  ['an extra field', holdWith({ extra: 1 }), 'bad_frame'],
  ['no id', { type: 'heartbeat' }, 'bad_frame'],
  ['an id that is a number', { type: 'heartbeat', id: 7 }, 'bad_frame'],
  ['an empty id', { type: 'heartbeat', id: '' }, 'bad_id'],
  ['a long id', { type: 'heartbeat', id: 'x'.repeat(65) }, 'bad_id'],
  ['an id with a newline', { type: 'heartbeat', id: 'a\nb' }, 'bad_id'],
  ['seats of a wrong type', holdWith({ seatIds: 'A15' }), 'bad_frame'],
  ['a seat of a wrong type', holdWith({ seatIds: [15] }), 'bad_frame'],
  ['a type that is no string', holdWith({ type: 1 }), 'bad_frame'],
  ['an unknown type', holdWith({ type: 'steal' }), 'unsupported'],
  ['a type of Object', { type: 'constructor', id: 'x' }, 'unsupported'],
  ['NUL in a seat', holdWith({ seatIds: ['A\u00001'] }), 'bad_id'],
  ['a newline in a seat', holdWith({ seatIds: ['A1\n'] }), 'bad_id'],
  ['braces in a show', holdWith({ showId: '{frames}' }), 'bad_id'],
  ['a colon in a show', holdWith({ showId: 'frames:A1' }), 'bad_id'],
  ['a lone surrogate', `{"type":"hold","id":"x","showId":"${showId}","seatIds":["\\ud800"]}`, 'bad_id'],
  ['a homoglyph', holdWith({ seatIds: ['\u0410 1'.replace(' ', '')] }), 'bad_id'],
  ['a long seat', holdWith({ seatIds: ['A'.repeat(33)] }), 'bad_id'],
  ['a malformed UUID', confirmWith({ requestId: 'no-uuid' }), 'bad_id'],
  ['the nil UUID', confirmWith({ requestId: '00000000-0000-0000-0000-000000000000' }), 'bad_id'],
  ['no seats', holdWith({ seatIds: [] }), 'bad_frame'],
  [
    'too many seats',
    holdWith({ seatIds: Array.from({ length: 11 }, (_, i) => `A${i + 1}`) }),
    'too_many_seats',
  ],
  [
    'far too many seats',
    holdWith({ seatIds: Array.from({ length: 500 }, (_, i) => `A${i}`) }),
    'too_many_seats',
  ],
  ['the same seat twice', holdWith({ seatIds: ['A15', 'A15'] }), 'duplicate_seat'],
  ['too short a TTL', holdWith({ ttlMs: 499 }), 'bad_frame'],
  ['too long a TTL', holdWith({ ttlMs: 120_001 }), 'bad_frame'],
  ['half a millisecond', holdWith({ ttlMs: 500.5 }), 'bad_frame'],
  ['an unknown show', holdWith({ showId: 'nowhere' }), 'unknown_show'],
  ['an unknown seat among known ones', holdWith({ seatIds: ['A15', 'Z1'] }), 'unknown_seat'],
  ['unknown seats to release', holdWith({ type: 'release', seatIds: ['Z1'] }), 'unknown_seat'],
  ['unknown seats to check out', holdWith({ type: 'checkout', seatIds: ['Z1'] }), 'unknown_seat'],
  ['a show to release that is unknown', { type: 'release', id: 'x', showId: 'nowhere' }, 'unknown_show'],
  ['a position without epoch', { type: 'watch', id: 'x', showId, since: { seq: 1 } }, 'bad_frame'],
  ['a negative position', { type: 'watch', id: 'x', showId, since: { epoch: 'e', seq: -1 } }, 'bad_frame'],
];

describe('bad input', () => {
  let client: Guest;
  beforeAll(async () => {
    client = await crowd.join(app.url);
    await client.request<'held'>({ type: 'hold', showId, seatIds: ['A14'] });
  });

  it.each(badInput)('%s gets one error, and the connection lives on', async (_, input, code) => {
    const from = client.frames.length;
    const id = `case ${from}`;
    const text = typeof input === 'string' ? input : JSON.stringify(input);
    client.sendRaw(text.replace('"id":"x"', `"id":"${id}"`));
    await client.until(() => client.frames.length > from, 'an answer');
    // Its answer comes after all that was caused before.
    const lives = await client.request<'renewed'>({ type: 'heartbeat', id: `after ${from}` });
    expect(lives).toMatchObject({ leases: [{ showId, seatIds: ['A14'] }], lost: [] });
    const answers = client.frames.slice(from, -1);
    const withId = text.includes('"id":"x"') ? { id } : {};
    expect(answers).toMatchObject([{ type: 'error', ...withId, code, retryable: false }]);
    expect(await backdoor.isLocked(showId, 'A15')).toBe(false);
  });

  it('names the unknown seats', async () => {
    expect(await client.refusal({ type: 'hold', showId, seatIds: ['A15', 'Z1', 'Z2'] })).toMatchObject({
      code: 'unknown_seat',
      seatIds: ['Z1', 'Z2'],
    });
  });

  it('a binary frame closes with 1003', async () => {
    const binary = await crowd.join(app.url);
    binary.socket.send(Buffer.from('{"type":"heartbeat","id":"x"}'));
    expect(await binary.closed()).toBe(closeCodes.binaryFrame);
    expect(binary.frames).toHaveLength(1);
  });

  it('a frame of 16 KiB is read, a larger one cuts the socket, and nobody else notices', async () => {
    const exact = await crowd.join(app.url);
    const frame = JSON.stringify({ type: 'heartbeat', id: 'x' });
    exact.sendRaw(frame.padEnd(limits.maxFrameBytes));
    expect(await exact.reply('x')).toMatchObject({ type: 'renewed' });
    exact.sendRaw(frame.padEnd(limits.maxFrameBytes + 1));
    await exact.closed();
    expect(exact.frames.filter((reply) => 'id' in reply && reply.id === 'x')).toHaveLength(1);
    await client.request<'renewed'>({ type: 'heartbeat' });
  });

  it('what is not UTF-8 cuts the socket, and nobody else notices', async () => {
    const broken = await crowd.join(app.url);
    broken.socket.send(Buffer.from([0x22, 0xc3, 0x28, 0x22]), { binary: false });
    await broken.closed();
    await client.request<'renewed'>({ type: 'heartbeat' });
  });
});
