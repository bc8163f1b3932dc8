import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { type Client, type ConnectOptions, connect } from '../../protocol/client.ts';
import { openStage, type TestApp, type TestStage } from './harness/app-kit.ts';
import { POLL } from './harness/backdoor.ts';
import { FaultProxy } from './harness/proxy.ts';

let stage: TestStage;
let app: TestApp;
let proxy: FaultProxy;
const clients: Client[] = [];

beforeAll(async () => {
  stage = await openStage();
  app = await stage.start({ RESUME_GRACE_MS: '5000' });
  proxy = await FaultProxy.start(app.port);
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.close()));
  await proxy.stop();
  await stage.close();
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
