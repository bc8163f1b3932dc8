import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { limits, showSeatsResponse } from '../../protocol/index.ts';
import { adminToken, expectFault, type HttpKit, openHttpKit, type RawConnection } from './http-kit.ts';

let kit: HttpKit;
beforeAll(async () => {
  kit = await openHttpKit();
});
afterAll(() => kit.close());

const head = (headers: Record<string, string | number>, start = 'POST /seat-lock') =>
  `${start} HTTP/1.1\r\nhost: test\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
const json = { 'content-type': 'application/json' };
const chunk = (text: string) => `${text.length.toString(16)}\r\n${text}\r\n`;
const livez = head({}, 'GET /livez');

/** Sends all parts, and resolves with the whole reply as text. */
async function exchange(...parts: (string | Uint8Array)[]): Promise<string> {
  const connection = await kit.raw();
  for (const part of parts) connection.write(part);
  const reply = await connection.until(/\r\n\r\n\{.*\}/);
  connection.reset();
  return reply;
}

const held = async (showId: string) =>
  showSeatsResponse.parse((await kit.call(`/shows/${showId}/seats`)).body).held;
const expectAlive = async () => expect((await kit.call('/livez')).status).toBe(200);

describe('a body', () => {
  it('must be there', async () => {
    for (const headers of [{}, json, { ...json, 'content-length': 0 }]) {
      const reply = await exchange(head(headers));
      expect(reply).toMatch(/^HTTP\/1.1 400 /);
      expect(reply).toContain('"code":"bad_frame"');
    }
    const chunked = await exchange(head({ ...json, 'transfer-encoding': 'chunked' }), '0\r\n\r\n');
    expect(chunked).toContain('"code":"bad_frame"');
  });

  it('must be JSON by its type', async () => {
    for (const [type, encoding] of [
      ['text/plain'],
      ['application/x-www-form-urlencoded'],
      ['application/json-seq'],
      ['application/json; charset=latin1'],
      [''],
      ['application/json', 'gzip'],
    ]) {
      const headers = { 'content-type': type ?? '', ...(encoding ? { 'content-encoding': encoding } : {}) };
      expectFault(await kit.call('/seat-lock', { body: {}, headers }), 'unsupported_media');
    }
    for (const type of ['application/json;charset=utf-8', 'Application/JSON; charset="UTF-8"']) {
      const reply = await kit.call('/seat-lock', { body: {}, headers: { 'content-type': type } });
      expectFault(reply, 'bad_frame');
    }
  });

  it('must be a JSON object of the call, in UTF-8', async () => {
    const deep = '['.repeat(8_000) + ']'.repeat(8_000);
    const user = randomUUID();
    const call = `{"show_id":"x","seat_ids":["A1"],"user_id":"${user}"`;
    for (const body of ['{', '[]', 'null', '7', '"x"', deep, `${call},"x":1}`, `${call},"__proto__":{}}`]) {
      expectFault(await kit.call('/seat-lock', { body }), 'bad_frame');
    }
    expectFault(
      await kit.call('/seat-lock', { body: `{"show_id":1e309,"seat_ids":["A1"],"user_id":"${user}"}` }),
      'bad_frame',
    );
    expectFault(
      await kit.call('/seat-lock', { body: call.replace('"x"', '"x\\u0000"').concat('}') }),
      'bad_id',
    );
    const broken = Buffer.concat([Buffer.from('{"show_id":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]);
    const reply = await exchange(head({ ...json, 'content-length': broken.length }), broken);
    expect(reply).toMatch(/^HTTP\/1.1 400 /);
    expect(reply).toContain('not valid UTF-8');
  });

  it('has a size: what is declared larger is refused before it comes', async () => {
    const reply = await exchange(head({ ...json, 'content-length': limits.maxBodyBytes + 1 }));
    expect(reply).toMatch(/^HTTP\/1.1 413 /);
    expect(reply).toContain('connection: close');
    expect(reply).toContain('"code":"too_large"');
    const show = head(
      { ...json, authorization: `Bearer ${adminToken}`, 'content-length': 2 ** 40 },
      'POST /shows',
    );
    expect(await exchange(show)).toMatch(/^HTTP\/1.1 413 /);
  });

  it('has a size: what turns out larger is refused, and the client gets to read it', async () => {
    const start = head({ ...json, 'transfer-encoding': 'chunked' });
    const rest = Array.from({ length: 100 }, () => chunk('x'.repeat(10_000)));
    const reply = await exchange(start, ...rest, '0\r\n\r\n');
    expect(reply).toMatch(/^HTTP\/1.1 413 /);
    const fits = ' '.repeat(limits.maxBodyBytes - 2);
    expectFault(await kit.call('/seat-lock', { body: `{}${fits}` }), 'bad_frame');
    expectFault(await kit.call('/seat-lock', { body: `{}${fits} ` }), 'too_large');
  });

  it.concurrent('has a time: one that never ends', { timeout: 30_000 }, async () => {
    const reply = await exchange(head({ ...json, 'transfer-encoding': 'chunked' }), chunk('{"show_id":'));
    expect(reply).toMatch(/^HTTP\/1.1 408 /);
    expect(reply).toContain('"code":"timed_out"');
  });

  it.concurrent('has a time: one that comes by drips', { timeout: 30_000 }, async () => {
    const connection = await kit.raw();
    connection.write(head({ ...json, 'content-length': 10_000 }));
    const drip = setInterval(() => connection.write('x'), 100);
    const reply = await connection.until('"code":"timed_out"').finally(() => clearInterval(drip));
    expect(reply).toMatch(/^HTTP\/1.1 408 /);
    connection.reset();
  });

  it.concurrent('has a time: a large one must keep coming', { timeout: 30_000 }, async () => {
    const headers = { ...json, authorization: `Bearer ${adminToken}`, 'content-length': 1_000_000 };
    const reply = await exchange(head(headers, 'POST /shows'), 'x'.repeat(100_000));
    expect(reply).toMatch(/^HTTP\/1.1 408 /);
  });

  it('may come in the smallest pieces', async () => {
    const show = await kit.newShow();
    const body = JSON.stringify({ show_id: show, seat_ids: ['A1'], user_id: randomUUID() });
    const connection = await kit.raw();
    connection.write(head({ ...json, 'transfer-encoding': 'chunked' }));
    for (const letter of body) connection.write(chunk(letter));
    connection.write('0\r\n\r\n');
    expect(await connection.until('"success":true')).toMatch(/^HTTP\/1.1 200 /);
    connection.reset();
  });

  it('that was refused leaves the connection usable when it is all there', async () => {
    const connection = await kit.raw();
    connection.write(head({ ...json, 'content-length': 20_000 }) + 'x'.repeat(20_000) + livez);
    expect(await connection.until('"status":"ok"')).toMatch(/^HTTP\/1.1 413 [\s\S]*HTTP\/1.1 200 OK/);
    connection.reset();
  });
});

describe('a client that leaves', () => {
  const leave = async (write: (connection: RawConnection) => void | Promise<void>) => {
    const connection = await kit.raw();
    await write(connection);
    connection.reset();
    await connection.until('what never comes');
    await expectAlive();
  };

  it('in the head, in the body, or between them harms nothing', async () => {
    await leave(() => undefined);
    await leave((connection) => connection.write('POST /seat-lock HTT'));
    await leave((connection) => connection.write(head({ ...json, 'content-length': 100 })));
    await leave((connection) => connection.write(`${head({ ...json, 'content-length': 100 })}{"show_id`));
    await leave((connection) =>
      connection.write(head({ ...json, 'transfer-encoding': 'chunked' }) + chunk('{')),
    );
  });

  it('at once after its request: it is carried out', async () => {
    const show = await kit.newShow();
    const body = JSON.stringify({ show_id: show, seat_ids: ['A1'], user_id: randomUUID() });
    const connection = await kit.raw();
    connection.socket.end(head({ ...json, 'content-length': body.length }) + body);
    await expect.poll(() => held(show), { timeout: 3_000 }).toEqual(['A1']);
  });

  it('while a long answer is on its way', async () => {
    const seats = Array.from({ length: 100_000 }, (_, i) => `seat-${i}`);
    const show = await kit.newShow(seats);
    await leave(async (connection) => {
      connection.write(head({}, `GET /shows/${show}`));
      await connection.until('HTTP/1.1 200 OK');
      connection.socket.pause();
    });
    const slow = await kit.raw();
    slow.write(head({ connection: 'close' }, `GET /shows/${show}`));
    await slow.until('HTTP/1.1 200 OK');
    slow.socket.pause();
    const others = await kit.call(`/shows/${show}`);
    slow.socket.resume();
    const received = await slow.until(/\]\}$/);
    expect(received.endsWith(others.text)).toBe(true);
    slow.reset();
  });
});

describe('a large body', () => {
  it("is not taken before the admin's token was seen", async () => {
    const reply = await exchange(head({ ...json, 'content-length': 30_000_000 }, 'POST /shows'));
    expect(reply).toMatch(/^HTTP\/1.1 403 /);
  });

  it('is one of few at once', async () => {
    const upload = head(
      { ...json, authorization: `Bearer ${adminToken}`, 'content-length': 1_000 },
      'POST /shows',
    );
    const uploads = await Promise.all([kit.raw(), kit.raw()]);
    for (const connection of uploads) connection.write(upload);
    const body = { id: 'x', name: 'x', seats: [] };
    const third = () => kit.call('/shows', { body, admin: true });
    await expect.poll(async () => (await third()).status).toBe(503);
    const refused = await third();
    expectFault(refused, 'busy', { retryInMs: expect.any(Number) });
    expect(refused.headers.get('retry-after')).toMatch(/^[12]$/);
    for (const connection of uploads) connection.reset();
    await expect.poll(async () => (await third()).status).toBe(400);
  });
});
