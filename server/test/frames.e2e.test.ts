import { randomUUID } from 'node:crypto';
import { request } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor } from './harness/backdoor.ts';
import { Crowd, confirmOf } from './harness/crowd.ts';

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
    expect(await upgrade({ origin: app.url })).toMatchObject({ status: 101 });
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
