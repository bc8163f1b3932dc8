import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type Client, type ConnectOptions, connect, type LostLeases } from '../../protocol/client.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { Backdoor, POLL } from './harness/backdoor.ts';
import { FaultProxy } from './harness/proxy.ts';

let stage: TestStage;
let app: TestApp;
/** Its way to Postgres can be disturbed. */
let shaky: TestApp;
let toPostgres: FaultProxy;
let proxy: FaultProxy;
let backdoor: Backdoor;
const clients: Client[] = [];

beforeAll(async () => {
  stage = await openStage();
  toPostgres = await FaultProxy.before(stage.database.url);
  [app, shaky] = await Promise.all([
    stage.start({ RESUME_GRACE_MS: '5000' }),
    stage.start({}, { databaseUrl: toPostgres.urlFor(stage.database.url) }),
  ]);
  backdoor = new Backdoor(stage);
  proxy = await FaultProxy.start(app.port);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await proxy.stop();
  await backdoor.close();
  await stage.close();
  await toPostgres.stop();
});

function join(url = app.url, options: ConnectOptions = {}): Client {
  const client = connect(url, { WebSocket, ...options });
  clients.push(client);
  return client;
}

const seatsOf = (client: Client, showId: string) => [...(client.leases.get(showId)?.keys() ?? [])];

describe('a client', () => {
  it('watches, holds, and books', async () => {
    await stage.createShow('plain');
    const [buyer, watcher] = [join(), join()];
    const map = watcher.watch('plain');
    await map.ready;
    expect(map.seatCount).toBe(20);
    const held = await buyer.hold('plain', ['A1', 'A2']);
    expect(held.seatIds).toEqual(['A1', 'A2']);
    expect(seatsOf(buyer, 'plain')).toEqual(['A1', 'A2']);
    await expect.poll(() => map.stateOf('A2'), POLL).toBe('held');
    await buyer.release('plain', ['A2']);
    const { bookings, replayed } = await buyer.confirm('plain', ['A1']);
    expect(bookings.map(({ seatId }) => seatId)).toEqual(['A1']);
    expect(replayed).toBe(false);
    await expect.poll(() => [map.stateOf('A1'), map.stateOf('A2')], POLL).toEqual(['booked', 'available']);
    expect(buyer.leases.size).toBe(0);
    await expect(watcher.hold('plain', ['A1', 'A3'])).rejects.toMatchObject({
      code: 'seat_unavailable',
      conflicts: [{ seatId: 'A1', state: 'booked' }],
    });
  });

  it('comes back after a break, with its leases, and with what it missed', async () => {
    await stage.createShow('break');
    const [client, rival] = [join(proxy.urlFor(app.url)), join()];
    const map = client.watch('break');
    await map.ready;
    await client.hold('break', ['A1']);
    const { session } = client;
    proxy.cut();
    await expect.poll(() => client.state, POLL).toBe('reconnecting');
    await rival.hold('break', ['A2']);
    // Asked for while there is no connection.
    await client.hold('break', ['A3']);
    expect(client.session).toBe(session);
    expect(seatsOf(client, 'break')).toEqual(['A1', 'A3']);
    await expect.poll(() => map.live && [...map.seatsIn('held')], POLL).toEqual(['A1', 'A2', 'A3']);
  });
});

describe('a confirm', () => {
  it('whose answer got lost is sent again, and books once', async () => {
    await stage.createShow('lost-answer');
    const client = join(proxy.urlFor(app.url));
    await client.hold('lost-answer', ['A1', 'A2']);
    const sprung = proxy.dropNextReply();
    const confirm = client.confirm('lost-answer', ['A1', 'A2']);
    await sprung;
    const { replayed, requestId, bookings } = await confirm;
    expect(replayed).toBe(true);
    const rows = await backdoor.bookings('lost-answer');
    expect(rows.map((row) => row.request_id)).toEqual([requestId, requestId]);
    expect(bookings.map(({ bookingId }) => bookingId).sort()).toEqual(rows.map(({ id }) => id).sort());
    expect(client.leases.size).toBe(0);
  });

  it('whose outcome the server does not know is repeated until it does', async () => {
    await stage.createShow('unknown');
    const client = join(shaky.url);
    await client.hold('unknown', ['A1', 'A2']);
    // The first of a server is written in several steps; this is about the answer of a later one.
    await client.confirm('unknown', ['A1']);
    const requestId = randomUUID();
    const sprung = toPostgres.dropNextReply((bytes) => bytes.includes(requestId));
    const confirm = client.confirm('unknown', ['A2'], { requestId });
    await sprung;
    expect(await confirm).toMatchObject({ replayed: true, requestId });
    expect(await metricsOf(shaky)).toMatch(/outcome="outcome_unknown"\} 1\n/);
    expect(await backdoor.bookings('unknown')).toHaveLength(2);
  });
});

describe('a server that stops', () => {
  it('hands its clients over with their seats, which are never free on the way', async () => {
    await stage.createShow('deploy');
    const leaving = await stage.start();
    const way = await FaultProxy.start(leaving.port);
    const [client, witness] = [join(way.urlFor(leaving.url)), join()];
    const [map, seen] = [client.watch('deploy'), witness.watch('deploy')];
    await Promise.all([map.ready, seen.ready]);
    const freed: unknown[] = [];
    const lost: LostLeases[] = [];
    client.on('lease_lost', (lease) => lost.push(lease));
    await client.hold('deploy', ['A1', 'A2']);
    await expect.poll(() => seen.count('held'), POLL).toBe(2);
    seen.onChange((change) => {
      if (seen.count('held') < 2) freed.push(change);
    });
    await client.checkout('deploy', ['A2']);
    const { session } = client;
    const states: string[] = [];
    client.on('state', (state) => states.push(state));
    const next = await stage.start();
    way.retarget(next.port);
    await leaving.stop();
    // Asked for while nobody is there, perhaps.
    const { bookings } = await client.confirm('deploy', ['A1']);
    expect(bookings).toHaveLength(1);
    expect(client.session).toBe(session);
    expect(client.leases.get('deploy')?.get('A2')).toMatchObject({ pinned: true });
    await expect.poll(() => map.live && map.stateOf('A1'), POLL).toBe('booked');
    expect(states.filter((state) => state !== 'reconnecting' && state !== 'live')).toEqual([]);
    await expect.poll(() => seen.stateOf('A1'), POLL).toBe('booked');
    expect([freed.length, lost]).toEqual([1, []]);
    await client.close();
    await way.stop();
  });
});

describe('a connection that is dead and does not say so', () => {
  it('is left in time for its leases', async () => {
    await stage.createShow('dead');
    const way = await FaultProxy.start(app.port);
    const client = join(way.urlFor(app.url), { requestTimeoutMs: 1_000 });
    const lost: LostLeases[] = [];
    client.on('lease_lost', (lease) => lost.push(lease));
    await client.hold('dead', ['A1'], { ttlMs: 6_000 });
    way.silence();
    // The beat of a third of the TTL finds out; the socket's own close would come after half a minute.
    await expect.poll(() => client.state, { ...POLL, timeout: 8_000 }).toBe('reconnecting');
    await expect.poll(() => client.state, POLL).toBe('live');
    expect([seatsOf(client, 'dead'), lost]).toEqual([['A1'], []]);
    await client.release('dead');
    await way.stop();
  });
});

describe('a session', () => {
  it('goes on in another page; the first one hears of it and stays away', async () => {
    await stage.createShow('two-pages');
    const first = join();
    await first.hold('two-pages', ['A1', 'A2']);
    await first.checkout('two-pages', ['A2']);
    const reasons: unknown[] = [];
    first.on('state', (state, reason) => reasons.push([state, reason?.code]));
    const second = join(app.url, { ...first.saved });
    await second.release('two-pages', ['A1']);
    expect(seatsOf(second, 'two-pages')).toEqual(['A2']);
    await expect.poll(() => reasons, POLL).toEqual([['closed', 'superseded']]);
    const { session } = second;
    await second.close();
    // A checkout outlives every page.
    const third = join(app.url, {
      ...second.saved,
      leases: [{ showId: 'two-pages', seatIds: ['A2'], pinned: true }],
    });
    await third.confirm('two-pages', ['A2']);
    expect(third.session).toBe(session);
  });

  it('hears of leases that end by themselves', async () => {
    await stage.createShow('lost');
    const client = join();
    const lost: LostLeases[] = [];
    client.on('lease_lost', (lease) => lost.push(lease));
    await client.hold('lost', ['A1']);
    await backdoor.forgetLocks('lost', 'A1');
    // The next beat would tell; a hold that somebody else gets tells sooner.
    await join().hold('lost', ['A1']);
    await expect.poll(() => lost.length, POLL).toBe(1);
    expect(seatsOf(client, 'lost')).toEqual([]);
  });
});

describe('a watched map', () => {
  it('finds and mends what got lost on the way', async () => {
    await stage.createShow('gap');
    const buyer = join();
    const loss = losing((text) => text.includes('"A2":"held"'));
    const lossy = join(app.url, { WebSocket: loss.WebSocket });
    const map = lossy.watch('gap');
    await map.ready;
    await buyer.hold('gap', ['A1']);
    await expect.poll(() => map.stateOf('A1'), POLL).toBe('held');
    await buyer.hold('gap', ['A2']);
    await expect.poll(() => loss.isLost, POLL).toBe(true);
    expect(map.stateOf('A2')).toBe('available');
    await buyer.hold('gap', ['A3']);
    await expect.poll(() => map.live && [...map.seatsIn('held')].sort(), POLL).toEqual(['A1', 'A2', 'A3']);
  });
});

/** A socket that loses the first frame that is meant. */
function losing(isMeant: (text: string) => boolean) {
  const loss = {
    isLost: false,
    WebSocket: class extends WebSocket {
      override emit(event: string | symbol, ...args: unknown[]): boolean {
        if (loss.isLost || event !== 'message' || !isMeant(String(args[0])))
          return super.emit(event, ...args);
        loss.isLost = true;
        return false;
      }
    },
  };
  return loss;
}

const metricsOf = async ({ url }: TestApp): Promise<string> => (await fetch(`${url}/metrics`)).text();

describe('GET /client.js', () => {
  it('is the client as a module for pages', async () => {
    const response = await fetch(`${app.url}/client.js`);
    expect(response.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    const text = await response.text();
    const module = await import(`data:text/javascript,${encodeURIComponent(text)}`);
    const client: Client = module.connect(app.url, { WebSocket });
    clients.push(client);
    await expect(client.hold('nowhere', ['A1'])).rejects.toMatchObject({ code: 'unknown_show' });
    expect(text).not.toContain('zod');
  });

  it('is fetched again only when it is another', async () => {
    const etag = (await fetch(`${app.url}/client.js`)).headers.get('etag') ?? '';
    const again = await fetch(`${app.url}/client.js`, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()]).toEqual([304, '']);
  });
});
