import { createPrivateKey, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCodes, type FaultCode, faultTable, limits } from '../../protocol/index.ts';
import { forged, keyPairs, signed } from '../auth/token-kit.ts';
import { ADMIN_TOKEN, openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor } from './harness/backdoor.ts';
import { Crowd, type Guest } from './harness/crowd.ts';
import { type Answered, post as postTo } from './harness/http.ts';

const secret = 'a secret of tests, of 32 bytes or more';
const secretBytes = Buffer.from(secret);
const ecKey = createPrivateKey(keyPairs.ES256.privateKey);
const showId = 'show';

let stage: TestStage;
let backdoor: Backdoor;
/** Authenticates by a shared secret, by a public key, and not at all. */
let app: TestApp;
let byKey: TestApp;
let open: TestApp;
const crowd = new Crowd();

beforeAll(async () => {
  stage = await openStage();
  backdoor = new Backdoor(stage);
  [app, byKey, open] = await Promise.all([
    stage.start({ AUTH_JWT_SECRET: secret }),
    stage.start({ AUTH_JWT_PUBLIC_KEY: keyPairs.ES256.publicKey, MAX_SESSIONS_PER_USER: '1' }),
    stage.start(),
  ]);
  await stage.createShow(showId, 60);
});
afterAll(async () => {
  await crowd.leave();
  await backdoor.close();
  await stage.close();
});

const tokenOf = (sub: string, times: object = {}) => signed(secretBytes, { sub, ...times });
const joinAs = async (userId: string) => crowd.join(app.url, { token: await tokenOf(userId) });

let seats = 0;
const freshSeat = () => `A${++seats}`;

/** Every token that is to be refused, whoever it comes from. */
const badTokens = (userId: string): readonly [string, string | undefined | Promise<string>][] => [
  ['none', undefined],
  ['words', 'let-me-in'],
  ['an expired one', tokenOf(userId, { expiresInS: -60 })],
  ['one that is not valid yet', tokenOf(userId, { beginsInS: 60 })],
  ['an unsigned one', forged({ alg: 'none' }, { sub: userId })],
  ['one of another algorithm', signed(Buffer.concat([secretBytes, secretBytes]), { sub: userId }, 'HS512')],
  ['one of another key', signed(Buffer.from('another secret of 32 bytes or more'), { sub: userId })],
  ['one signed by a pair of its own', signed(ecKey, { sub: userId }, 'ES256')],
  ['one of nobody', signed(secretBytes, {})],
  ['one of a name', tokenOf('bob')],
];

describe('hello', () => {
  it('is welcomed as the sub of its token', async () => {
    const userId = randomUUID();
    const guest = await joinAs(userId.toUpperCase());
    expect(guest.userId).toBe(userId);
    const named = await crowd.join(app.url, { token: await tokenOf(userId), userId });
    expect(named.userId).toBe(userId);
    const token = await signed(ecKey, { sub: userId }, 'ES256');
    expect((await crowd.join(byKey.url, { token })).userId).toBe(userId);
  });

  it.each(badTokens(randomUUID()))('with %s is refused, and closed with 4501', async (_, given) => {
    const token = await given;
    const client = await crowd.connect(app.url);
    const refusal = await client.refusal({ type: 'hello', ...(token === undefined ? {} : { token }) });
    expect(refusal).toMatchObject({ code: 'unauthorized', retryable: false });
    expect(await client.closed()).toBe(closeCodes.unauthorized);
    expect(client.frames).toHaveLength(1);
  });

  it('with one that is too long as well, long before it is looked at', async () => {
    for (const { url } of [app, open]) {
      const client = await crowd.connect(url);
      const refusal = await client.refusal({ type: 'hello', token: 'x'.repeat(limits.maxTokenLength + 1) });
      expect(refusal).toMatchObject({ code: 'unauthorized', retryable: false });
      expect(await client.closed()).toBe(closeCodes.unauthorized);
    }
  });

  it('of one user with the token of another is refused', async () => {
    const client = await crowd.connect(app.url);
    const token = await tokenOf(randomUUID());
    const refusal = await client.refusal({ type: 'hello', token, userId: randomUUID() });
    expect(refusal).toMatchObject({ code: 'unauthorized', message: expect.stringMatching(/another user/) });
    expect(await client.closed()).toBe(closeCodes.unauthorized);
  });

  it('is looked at once: what comes with it has no session yet', async () => {
    const client = await crowd.connect(app.url);
    const token = await tokenOf(randomUUID());
    const first = client.send({ type: 'hello', token });
    const second = client.send({ type: 'hello', token });
    const hold = client.send({ type: 'hold', showId, seatIds: [freshSeat()] });
    expect(await client.reply(first)).toMatchObject({ type: 'welcome' });
    for (const id of [second, hold]) expect(await client.reply(id)).toMatchObject({ code: 'hello_required' });
  });

  it('whose socket dies while its token is looked at leaves no session behind', async () => {
    const userId = randomUUID();
    const token = await signed(ecKey, { sub: userId }, 'ES256');
    for (let i = 0; i < 20; i++) {
      const client = await crowd.connect(byKey.url);
      client.send({ type: 'hello', token });
      client.socket.terminate();
      await client.closed();
    }
    // Of one session per user there is still one.
    await expect
      .poll(() => crowd.join(byKey.url, { token }).then(({ userId: joined }) => joined))
      .toBe(userId);
  });

  it('without authentication looks at no token', async () => {
    const userId = randomUUID();
    expect((await crowd.join(open.url, { userId, token: 'let-me-in' })).userId).toBe(userId);
  });
});

describe('a session', () => {
  it('goes on when its token expires, and is resumed with a fresh one', async () => {
    const userId = randomUUID();
    // Within the tolerance, so it is over for everybody but this server in this moment.
    const guest = await crowd.join(app.url, { token: await tokenOf(userId, { expiresInS: -3 }) });
    const seatIds = [freshSeat()];
    await guest.request<'held'>({ type: 'hold', showId, seatIds });
    const { session } = guest;
    const leases = [{ showId, seatIds }];
    const stale = await crowd.connect(app.url);
    const token = await tokenOf(userId, { expiresInS: -60 });
    expect(await stale.refusal({ type: 'hello', token, session, leases })).toMatchObject({
      code: 'unauthorized',
    });
    const back = await crowd.join(app.url, { token: await tokenOf(userId), session, leases });
    expect(back.welcome).toMatchObject({ resumed: true, leases, lost: [] });
    expect(await guest.closed()).toBe(closeCodes.superseded);
  });

  it.each(['with authentication', 'without'])('is never resumed by another user, %s', async (mode) => {
    const { url } = mode === 'without' ? open : app;
    const helloOf = async (userId: string) =>
      mode === 'without' ? { userId } : { token: await tokenOf(userId) };
    const [owner, thief] = [randomUUID(), randomUUID()];
    const victim = await crowd.join(url, await helloOf(owner));
    const seatIds = [freshSeat(), freshSeat()];
    await victim.request<'held'>({ type: 'hold', showId, seatIds });
    await victim.request<'pinned'>({ type: 'checkout', showId, seatIds: seatIds.slice(1) });
    const { session } = victim;
    const lost = [{ showId, seatIds }];
    const robber = await crowd.join(url, {
      ...(await helloOf(thief)),
      session,
      leases: [{ showId, seatIds }],
    });
    expect(robber.welcome).toMatchObject({ userId: thief, resumed: false, leases: [], lost });
    expect(robber.session).not.toBe(session);
    for (const type of ['checkout', 'release'] as const)
      await robber.reply(robber.send({ type, showId, seatIds }));
    const confirm = { type: 'confirm', showId, seatIds, requestId: randomUUID() } as const;
    expect(await robber.refusal(confirm)).toMatchObject({ code: 'lease_lost' });
    if (mode !== 'without') {
      const liar = await crowd.connect(url);
      const hello = {
        type: 'hello',
        token: await tokenOf(thief),
        userId: owner,
        session,
        leases: lost,
      } as const;
      expect(await liar.refusal(hello)).toMatchObject({ code: 'unauthorized' });
    }
    // Its owner has noticed nothing.
    await victim.request<'renewed'>({ type: 'heartbeat' });
    await victim.request<'confirmed'>({ ...confirm, requestId: randomUUID() });
    expect(victim.closeCode).toBeUndefined();
    expect(victim.frames.filter(({ type }) => type === 'lease_lost')).toEqual([]);
  });
});

describe('over HTTP', () => {
  const post = (path: string, body: object, token?: string) =>
    postTo(app.url, path, body, token === undefined ? {} : { authorization: `Bearer ${token}` });
  const expectRefused = ({ status, headers, body }: Answered, code: FaultCode) => {
    expect({ status, code: body['code'] }).toEqual({
      status: faultTable[code].httpStatus,
      code,
    });
    expect(headers.get('www-authenticate')).toBe(code === 'unauthorized' ? 'Bearer' : null);
  };
  const paths = ['/seat-lock', '/seat-unlock', '/booking/confirm'] as const;
  const bodyFor = (path: string, userId: string, seatIds: readonly string[], more: object = {}) => ({
    show_id: showId,
    seat_ids: seatIds,
    user_id: userId,
    ...(path === '/booking/confirm' ? { request_id: randomUUID() } : {}),
    ...more,
  });
  /** A client in whose session seats wait for the payment, on a server that looks at tokens. */
  const buyer = async () => {
    const userId = randomUUID();
    const guest: Guest = await joinAs(userId);
    const seatIds = [freshSeat()];
    await guest.request<'held'>({ type: 'hold', showId, seatIds });
    await guest.request<'pinned'>({ type: 'checkout', showId, seatIds });
    const confirmFor = (user: string, token?: string) =>
      post('/booking/confirm', bodyFor('/booking/confirm', user, seatIds, { session: guest.session }), token);
    return { userId, seatIds, confirmFor };
  };

  it('the user locks, unlocks, and books', async () => {
    const userId = randomUUID();
    const token = await tokenOf(userId);
    const seatIds = [freshSeat()];
    for (const path of ['/seat-lock', '/seat-unlock', '/seat-lock', '/booking/confirm']) {
      const reply = await post(path, bodyFor(path, userId.toUpperCase(), seatIds), token);
      expect(reply).toMatchObject({ status: 200, body: { success: true } });
    }
    expect(await backdoor.bookings(showId)).toContainEqual(expect.objectContaining({ user_id: userId }));
  });

  it.each(badTokens(randomUUID()))('%s is refused, and nothing is done', async (_, given) => {
    const [userId, token] = [randomUUID(), await given];
    const seatIds = [freshSeat()];
    for (const path of paths)
      expectRefused(await post(path, bodyFor(path, userId, seatIds), token), 'unauthorized');
    expect(await backdoor.isLocked(showId, seatIds[0] ?? '')).toBe(false);
  });

  it('nobody acts for another, and the admin locks for nobody', async () => {
    const [userId, other] = [randomUUID(), randomUUID()];
    const [token, others] = [await tokenOf(userId), await tokenOf(other)];
    const seatIds = [freshSeat()];
    for (const path of paths)
      expectRefused(await post(path, bodyFor(path, userId, seatIds), others), 'unauthorized');
    await post('/seat-lock', bodyFor('/seat-lock', userId, seatIds), token);
    for (const path of ['/seat-lock', '/seat-unlock'])
      expectRefused(await post(path, bodyFor(path, userId, seatIds), ADMIN_TOKEN), 'unauthorized');
    for (const path of paths)
      expectRefused(await post(path, bodyFor(path, userId, seatIds), others), 'unauthorized');
    expect(await backdoor.isLocked(showId, seatIds[0] ?? '')).toBe(true);
  });

  it("a session's seats are booked by its user, or by the shop with the admin's token, and by nobody else", async () => {
    const first = await buyer();
    const stranger = randomUUID();
    const strangersToken = await tokenOf(stranger);
    expectRefused(await first.confirmFor(first.userId), 'unauthorized');
    expectRefused(await first.confirmFor(first.userId, strangersToken), 'unauthorized');
    expectRefused(await first.confirmFor(first.userId, `${ADMIN_TOKEN}x`), 'unauthorized');
    // Its secret alone is not enough: it is of another user.
    expectRefused(await first.confirmFor(stranger, strangersToken), 'lease_lost');
    expectRefused(await first.confirmFor(stranger, ADMIN_TOKEN), 'lease_lost');
    expect(await first.confirmFor(first.userId, await tokenOf(first.userId))).toMatchObject({ status: 200 });
    const second = await buyer();
    const booked = { status: 200, body: { booked_seats: second.seatIds } };
    expect(await second.confirmFor(second.userId, ADMIN_TOKEN)).toMatchObject(booked);
  });

  it('a body is looked at only after the token', async () => {
    expectRefused(await post('/seat-lock', {}), 'unauthorized');
    expectRefused(await post('/seat-lock', {}, 'let-me-in'), 'unauthorized');
    expectRefused(await post('/seat-lock', {}, await tokenOf(randomUUID())), 'bad_frame');
  });

  it('what anybody may see needs no token; what the admin may do needs his', async () => {
    for (const path of [
      '/shows',
      `/shows/${showId}`,
      `/shows/${showId}/seats`,
      '/livez',
      '/readyz',
      '/metrics',
    ])
      expect((await fetch(app.url + path)).status).toBe(200);
    expectRefused(await post('/shows', {}, await tokenOf(randomUUID())), 'forbidden');
    expectRefused(await post('/shows', {}, ADMIN_TOKEN), 'bad_frame');
  });

  it('a token for which the head has no room never gets in', async () => {
    const token = await tokenOf(randomUUID(), { x: 'x'.repeat(5_000) });
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const response = await fetch(`${app.url}/seat-lock`, { method: 'POST', headers, body: '{}' });
    expect(response.status).toBe(431);
  });
});
