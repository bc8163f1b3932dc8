import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeCodes } from '../../protocol/index.ts';
import { patientConfirms } from './harness/app-kit.ts';
import { POLL } from './harness/backdoor.ts';
import type { TestClient } from './harness/client.ts';
import { confirmOf } from './harness/crowd.ts';
import { openTwoServers, type TwoServers } from './harness/two-servers.ts';

let stage: TwoServers;

beforeAll(async () => {
  stage = await openTwoServers(patientConfirms);
});
afterAll(() => stage.close());

/** Nobody has seen the seats change since they were held. */
const untouched = (watcher: TestClient) =>
  expect(watcher.frames.filter((frame) => frame.type === 'delta')).toHaveLength(1);

describe('resuming', () => {
  it('on the same server adopts the leases; the earlier socket is closed and can touch nothing', async () => {
    const { showId, holder, watcher } = await stage.scene('same');
    const later = await stage.resume(stage.app.url, holder, showId);
    expect(later.welcome).toMatchObject({ resumed: true, session: holder.session, lost: [] });
    expect(later.welcome.leases).toMatchObject([{ showId, seatIds: ['A1', 'A2'] }]);
    expect(await holder.closed()).toBe(closeCodes.superseded);
    const renewed = await later.request<'renewed'>({ type: 'heartbeat' });
    expect(renewed).toMatchObject({ leases: [{ seatIds: ['A1', 'A2'] }], lost: [] });
    untouched(watcher);
    // They are released with the socket that owns them now.
    await later.close();
    await watcher.untilSeat(showId, 'A2', 'available');
  });

  it('on another server does the same, by way of the feed', async () => {
    const { showId, holder, watcher } = await stage.scene('elsewhere');
    const later = await stage.resume(stage.other.url, holder, showId);
    expect(later.welcome).toMatchObject({ resumed: true, lost: [] });
    expect(await holder.closed()).toBe(closeCodes.superseded);
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ seatIds: ['A1', 'A2'] }],
      lost: [],
    });
    untouched(watcher);
    await later.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
  });

  it('takes the leases from a socket that has not heard of it yet: whatever it sends changes nothing', async () => {
    const { showId, holder, watcher } = await stage.scene('race');
    // All at once: what reaches Redis after the adoption must find the leases another connection's.
    const welcome = stage.resume(stage.other.url, holder, showId);
    for (let i = 0; i < 5; i++) {
      holder.send({ type: 'heartbeat' });
      await stage.backdoor.redis.ping();
    }
    const later = await welcome;
    const adopted = later.welcome.leases.flatMap(({ seatIds }) => seatIds);
    expect(adopted).toEqual(['A1', 'A2']);
    await holder.closed();
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ lost: [] });
    untouched(watcher);
  });

  it('of leases that are gone tells which are lost', async () => {
    const { showId, holder } = await stage.scene('partly');
    const rival = await stage.crowd.join(stage.other.url);
    await stage.backdoor.forgetLocks(showId, 'A2');
    await rival.request<'held'>({ type: 'hold', showId, seatIds: ['A2'] });
    const later = await stage.resume(stage.app.url, holder, showId, ['A1', 'A2', 'A3', 'Z9']);
    expect(later.welcome.leases).toMatchObject([{ showId, seatIds: ['A1'] }]);
    expect(later.welcome.lost).toEqual([{ showId, seatIds: ['A2', 'A3', 'Z9'] }]);
    expect(await rival.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ lost: [] });
  });

  it('as another user loses all of them, and leaves their owner alone', async () => {
    const { showId, holder, watcher } = await stage.scene('thief');
    const { session } = holder;
    const leases = [{ showId, seatIds: ['A1', 'A2'] }];
    for (const { url } of [stage.app, stage.other]) {
      const thief = await stage.crowd.join(url, { session, userId: randomUUID(), leases });
      expect(thief.welcome).toMatchObject({ resumed: false, leases: [], lost: leases });
      expect(thief.session).not.toBe(session);
      await thief.close();
    }
    expect(await holder.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ seatIds: ['A1', 'A2'] }],
    });
    untouched(watcher);
  });

  it('keeps what was pinned, and a pinned lease outlives its socket until then', async () => {
    const { showId, holder, watcher } = await stage.scene('paying');
    await holder.request<'pinned'>({ type: 'checkout', showId, seatIds: ['A1', 'A2'] });
    await holder.terminate();
    const later = await stage.resume(stage.other.url, holder, showId);
    expect(later.welcome.leases).toMatchObject([{ seatIds: ['A1', 'A2'] }]);
    expect(later.welcome.leases[0]?.expiresInMs).toBeGreaterThan(290_000);
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({ leases: [], lost: [] });
    untouched(watcher);
  });

  it('while a confirm of the dead socket is under way: its failure leaves the adopted leases alone', async () => {
    await stage.createShow('reborn');
    const showId = 'reborn';
    const hasty = await stage.start({
      LOCK_TIMEOUT_MS: '200',
      STATEMENT_TIMEOUT_MS: '500',
      CONFIRM_DEADLINE_MS: '900',
    });
    const holder = await stage.crowd.join(hasty.url);
    const watcher = await stage.crowd.watch(stage.other.url, showId);
    await holder.request<'held'>({ type: 'hold', showId, seatIds: ['A1', 'A2'] });
    await watcher.untilSeat(showId, 'A2', 'held');
    const stranger = await stage.backdoor.lockRows(showId, 'A1');
    holder.send(confirmOf(showId, ['A1', 'A2']));
    await expect.poll(() => stage.backdoor.isGuarded(showId, 'A1'), POLL).toBe(true);
    await holder.terminate();
    const later = await stage.resume(stage.other.url, holder, showId);
    expect(later.welcome.leases).toMatchObject([{ seatIds: ['A1', 'A2'] }]);
    await expect.poll(() => stage.backdoor.isGuarded(showId, 'A1'), POLL).toBe(false);
    await stranger.open();
    expect(await later.request<'renewed'>({ type: 'heartbeat' })).toMatchObject({
      leases: [{ seatIds: ['A1', 'A2'] }],
      lost: [],
    });
    untouched(watcher);
    await later.request<'confirmed'>(confirmOf(showId, ['A1', 'A2']));
  });
});
