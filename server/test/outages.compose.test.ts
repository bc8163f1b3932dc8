import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import WebSocket from 'ws';
import { connect } from '../../protocol/client.ts';
import { type Container, Containers } from './harness/containers.ts';
import { Crowd, confirmOf, type Guest } from './harness/crowd.ts';
import { call } from './harness/http.ts';

/*
 * docker-compose.yml while a part of it is gone: a server or the balancer that dies, Redis, PostgreSQL. Nobody is turned away, what cannot be done
 * is refused by name, and when the part is back all goes on with no restart of anything else.
 */

const PATIENT = { timeout: 60_000, interval: 250 };
const showId = 'demo';
const crowd = new Crowd();
let containers: Containers;
let servers: Container[];

beforeAll(async () => {
  // An engine takes its time to stop something, and to start it: no lease may end meanwhile.
  const times = { LEASE_TTL_MS: '120000', RESUME_GRACE_MS: '60000' };
  containers = await Containers.plan(times);
  await containers.sh('docker compose up --detach --build');
  servers = await containers.healthy('server', 2);
  await containers.healthy('balancer', 1);
}, 600_000);
afterAll(() => containers.down(), 120_000);

const hold = (...seatIds: string[]) => ({ type: 'hold', showId, seatIds }) as const;
const counts = () => Promise.all(servers.map((server) => containers.connectionsOf(server)));
const restarts = async () => (await containers.of('server')).map(({ id, restarts }) => [id, restarts]);

/** Stops a store, and waits until the balancer knows that no server is ready any more. */
async function without(store: string): Promise<void> {
  const before = await containers.turnsToLiving();
  await containers.sh(`docker compose stop ${store}`);
  await expect.poll(() => containers.turnsToLiving(), PATIENT).toBeGreaterThan(before);
}

/** The balancer has sent nobody away: it is well itself, and takes somebody new. */
async function newcomer(): Promise<Guest> {
  expect((await fetch(`${containers.url}/readyz`)).status).toBe(200);
  expect((await call(containers.url, `/shows/${showId}`)).status).toBe(200);
  return crowd.join(containers.url);
}

/** Asks until it is granted: a store that is back is found within moments, by itself. */
const granted = (client: Guest, ...seatIds: string[]) =>
  expect.poll(async () => (await client.reply(client.send(hold(...seatIds)))).type, PATIENT).toBe('held');

/** A client of ours, and what it was told to have lost. */
function shopper() {
  const client = connect(`${containers.url.replace('http', 'ws')}/ws`, { WebSocket });
  const lost: unknown[] = [];
  client.on('lease_lost', (event) => lost.push(event));
  return { client, lost };
}

it('a server that dies is started again, and its client goes on at another with its seats', async () => {
  const { client, lost } = shopper();
  await client.hold(showId, ['A1', 'A2']);
  const dying = servers[(await counts()).indexOf(1)];
  if (dying === undefined) throw new Error('the client is on no server');
  await containers.die(dying);
  expect((await client.confirm(showId, ['A1', 'A2'])).bookings).toHaveLength(2);
  expect(lost).toEqual([]);
  await client.close();

  const expected = servers.map(({ id }) => [id, id === dying.id ? 1 : 0]);
  await expect.poll(restarts, PATIENT).toEqual(expected);
  servers = await containers.healthy('server', 2);
  await expect
    .poll(async () => {
      await crowd.leave();
      await expect.poll(counts, PATIENT).toEqual([0, 0]);
      for (const _ of servers) await crowd.join(containers.url);
      return counts();
    }, PATIENT)
    .toEqual([1, 1]);
  await crowd.leave();
});

it('a balancer that dies is started again, and within their grace all come back to their seats', async () => {
  const { client, lost } = shopper();
  await client.hold(showId, ['D1', 'D2']);
  const [balancer] = await containers.of('balancer');
  if (balancer === undefined) throw new Error('there is no balancer');
  await containers.die(balancer);
  expect((await client.confirm(showId, ['D1', 'D2'])).bookings).toHaveLength(2);
  expect(lost).toEqual([]);
  await client.close();
  expect(await containers.healthy('balancer', 1)).toMatchObject([{ id: balancer.id, restarts: 1 }]);
});

it('without Redis holds are refused and confirms go on; with it all goes on, leases included', async () => {
  const before = await restarts();
  const watcher = await crowd.watch(containers.url, showId);
  const holder = await crowd.join(containers.url);
  await holder.request<'held'>(hold('B1', 'B2'));
  await watcher.untilSeat(showId, 'B2', 'held');
  await without('redis');

  const unavailable = { code: 'unavailable', retryable: true };
  expect(await holder.refusal(hold('B3'))).toMatchObject(unavailable);
  await holder.request<'confirmed'>(confirmOf(showId, ['B1']));
  const late = await newcomer();
  expect(await late.refusal(hold('B3'))).toMatchObject(unavailable);
  const body = { show_id: showId, seat_ids: ['B3'], user_id: randomUUID() };
  expect(await call(containers.url, '/seat-lock', body)).toMatchObject({ status: 503, body: unavailable });

  await containers.sh('docker compose start redis');
  await granted(late, 'B3');
  await granted(holder, 'B4');
  for (const [seatId, state] of [
    ['B1', 'booked'],
    ['B3', 'held'],
    ['B4', 'held'],
  ] as const)
    await watcher.untilSeat(showId, seatId, state);
  // What Redis wrote down before its end is still somebody's.
  await holder.request<'confirmed'>(confirmOf(showId, ['B2']));
  expect(holder.frames.filter(({ type }) => type === 'lease_lost')).toEqual([]);
  expect([holder, watcher, late].map(({ closeCode }) => closeCode)).toEqual([
    undefined,
    undefined,
    undefined,
  ]);
  expect(await restarts()).toEqual(before);
  await crowd.leave();
});

it('without PostgreSQL holds go on and confirms are refused; with it the same request books', async () => {
  const before = await restarts();
  const holder = await crowd.join(containers.url);
  await holder.request<'held'>(hold('C1'));
  await without('postgres');

  const confirm = confirmOf(showId, ['C1']);
  expect(['unavailable', 'outcome_unknown']).toContain((await holder.refusal(confirm)).code);
  await holder.request<'held'>(hold('C2'));
  const late = await newcomer();
  await late.request<'held'>(hold('C3'));

  await containers.sh('docker compose start postgres');
  await expect.poll(async () => (await holder.reply(holder.send(confirm))).type, PATIENT).toBe('confirmed');
  expect(await holder.request<'confirmed'>(confirm)).toMatchObject({ replayed: true });
  await late.request<'confirmed'>(confirmOf(showId, ['C3']));
  expect(await restarts()).toEqual(before);
  await crowd.leave();
});
