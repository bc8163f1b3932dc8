import { setTimeout as pause } from 'node:timers/promises';
import { expect } from 'vitest';
import type { ServerFrame } from '../../../protocol/index.ts';
import { ADMIN_TOKEN } from './app-kit.ts';
import { type Joined, TestClient } from './client.ts';
import { LONG_MS, PROMPT_MS, type Request, type World } from './world.ts';

/** A user with one session at a time: what it does, and which leases it has by what it was told. */
export class Actor {
  readonly name: string;
  readonly userId: string;
  /** Seat → whether its lease may end by itself: it is short, or pinned. */
  readonly leases = new Map<string, boolean>();
  readonly #pinned = new Set<string>();
  #ttlMs = LONG_MS;
  readonly #world: World;
  #client: TestClient & Joined;
  #cursor = 0;
  #url = '';

  private constructor(world: World, name: string, client: TestClient & Joined, url: string) {
    this.#world = world;
    this.name = name;
    this.userId = client.userId;
    this.#client = client;
    this.#listen(client, url);
    world.sessions.push(this);
  }

  static async join(world: World, name: string, url: string): Promise<Actor> {
    return new Actor(world, name, await TestClient.join(url), url);
  }

  async hold(seatIds: readonly string[], ttlMs: number): Promise<void> {
    this.#ttlMs = ttlMs;
    const reply = await this.#ask({ type: 'hold', showId: this.#world.showId, seatIds: [...seatIds], ttlMs });
    if (reply.type === 'held') return;
    expect(reply).toMatchObject({ type: 'error', code: 'seat_unavailable' });
  }

  /** All that it has, or a seat that it has not when there is none. */
  someLeases(): string[] {
    return this.leases.size > 0 ? [...this.leases.keys()] : ['A1'];
  }

  async heartbeat(): Promise<void> {
    expect((await this.#ask({ type: 'heartbeat' })).type).toBe('renewed');
  }

  async release(seatIds: readonly string[] | undefined): Promise<void> {
    const seats = seatIds === undefined ? {} : { seatIds: [...seatIds] };
    expect((await this.#ask({ type: 'release', showId: this.#world.showId, ...seats })).type).toBe(
      'released',
    );
  }

  async checkout(seatIds: readonly string[]): Promise<void> {
    const reply = await this.#ask({ type: 'checkout', showId: this.#world.showId, seatIds: [...seatIds] });
    if (reply.type !== 'pinned') expect(reply).toMatchObject({ type: 'error', code: 'lease_lost' });
  }

  async confirm(seatIds: readonly string[]): Promise<void> {
    await this.#confirm(this.#newRequest(seatIds));
  }

  /** The same confirm again, or somebody else's. */
  async repeat(choice: number): Promise<void> {
    const request = this.#world.choose(
      choice,
      ({ userId, outcome }) => userId === this.userId || outcome !== 'unknown',
    );
    if (request !== undefined) await this.#confirm(request);
  }

  /** Asks for something and is gone before the answer. */
  async vanish(
    doing: 'hold' | 'confirm' | 'checkout',
    seatIds: readonly string[],
    url: string,
  ): Promise<void> {
    const frame = { showId: this.#world.showId, seatIds: [...seatIds] };
    if (doing === 'hold') this.#client.send({ type: 'hold', ...frame });
    else if (doing === 'checkout') this.#client.send({ type: 'checkout', ...frame });
    else this.#client.send({ type: 'confirm', ...frame, requestId: this.#newRequest(seatIds).requestId });
    this.#world.haunt(seatIds);
    // Its frame leaves with the close, or a moment before it.
    await this.leave(doing !== 'checkout', url);
  }

  /** Begins anew, as nobody's heir. */
  async leave(clean: boolean, url: string): Promise<void> {
    this.#world.haunt(this.leases.keys());
    this.leases.clear();
    this.#pinned.clear();
    const left = this.#client;
    await (clean ? left.close() : left.terminate());
    this.#listen(await TestClient.join(url, { userId: this.userId }), url);
  }

  /** Comes back for its leases; the socket it had is gone, or lives on and is superseded. */
  async resume(from: 'closed' | 'closing' | 'open', url: string): Promise<void> {
    const fromMs = performance.now();
    // The others let go at once: whoever resumes there races with the close.
    const isKept = this.#world.graceUrl === this.#url;
    const earlier = this.#client;
    const wanted = [...this.leases.keys()];
    if (from === 'closed') await earlier.terminate();
    const closed = from === 'closing' ? closeMeanwhile(earlier) : undefined;
    this.#world.haunt(wanted);
    const { showId } = this.#world;
    const leases = wanted.length > 0 ? [{ showId, seatIds: wanted }] : [];
    const client = await TestClient.join(url, { userId: this.userId, session: earlier.session, leases });
    expect(client.welcome.resumed).toBe(true);
    if (isKept && performance.now() - fromMs < PROMPT_MS)
      for (const { seatIds } of client.welcome.lost) this.#lose(seatIds, 'not resumed');
    const before = new Map(this.leases);
    this.leases.clear();
    for (const { seatIds } of client.welcome.leases)
      for (const seatId of seatIds) this.leases.set(seatId, before.get(seatId) ?? false);
    this.#listen(client, url);
    if (from !== 'open') return closed;
    // Elsewhere, and without a lease in common, nobody knows that it is superseded.
    if (this.leases.size > 0) expect(await earlier.closed()).toBe(4504);
    else await earlier.terminate();
  }

  async refund(choice: number, url: string): Promise<void> {
    const request = this.#world.choose(choice);
    if (request === undefined) return;
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const reply = await fetch(`${url}/bookings/${request.requestId}`, { method: 'DELETE', headers });
    await reply.arrayBuffer();
    expect([200, 404]).toContain(reply.status);
    if (reply.status === 200) request.outcome = 'refunded';
  }

  async close(): Promise<void> {
    await this.#client.terminate();
  }

  #newRequest(seatIds: readonly string[]): Request {
    const { userId } = this;
    const requestId = crypto.randomUUID();
    return this.#world.ask({ requestId, userId, seatIds, outcome: 'unknown', bookings: undefined });
  }

  async #confirm(request: Request): Promise<void> {
    const { requestId, seatIds } = request;
    const { showId } = this.#world;
    const reply = await this.#ask({ type: 'confirm', showId, seatIds: [...seatIds], requestId });
    const isMine = request.userId === this.userId;
    if (reply.type === 'error' && ['busy', 'outcome_unknown', 'unavailable'].includes(reply.code)) return;
    if (!isMine) {
      expect(reply).toMatchObject({ type: 'error', code: 'request_mismatch' });
      return;
    }
    if (reply.type !== 'confirmed') {
      expect(reply).toMatchObject({ type: 'error' });
      expect(['seat_unavailable', 'lease_lost']).toContain(reply.type === 'error' ? reply.code : '');
      expect(['unknown', 'refused']).toContain(request.outcome);
      request.outcome = 'refused';
      return;
    }
    expect(request.outcome).not.toBe('refused');
    const bookings = JSON.stringify(reply.bookings.toSorted((a, b) => (a.seatId < b.seatId ? -1 : 1)));
    request.bookings ??= bookings;
    expect(bookings).toBe(request.bookings);
    if (request.outcome !== 'refunded') request.outcome = reply.refunded ? 'refunded' : 'booked';
  }

  async #ask(frame: Parameters<TestClient['send']>[0]): Promise<ServerFrame> {
    const client = this.#client;
    return client.reply(client.send(frame));
  }

  /** What it is told of its leases, in the order in which it is told. */
  #listen(client: TestClient & Joined, url: string): void {
    this.#client = client;
    this.#url = url;
    this.#cursor = client.frames.length;
    client.socket.on('message', () => {
      if (client !== this.#client) return;
      for (; this.#cursor < client.frames.length; this.#cursor++) this.#hear(client.frames[this.#cursor]);
    });
  }

  #hear(frame: ServerFrame | undefined): void {
    switch (frame?.type) {
      case 'held':
        // A hold of what is pinned does not move its end.
        for (const seatId of frame.seatIds)
          this.leases.set(seatId, this.#ttlMs < LONG_MS || this.#pinned.has(seatId));
        break;
      case 'pinned':
        for (const seatId of frame.seatIds) {
          this.leases.set(seatId, true);
          this.#pinned.add(seatId);
        }
        break;
      case 'confirmed':
        if (!frame.refunded) for (const seatId of frame.seatIds) this.#forget(seatId);
        break;
      case 'released':
        for (const seatId of frame.seatIds) this.#forget(seatId);
        break;
      case 'lease_lost':
        this.#lose(frame.seatIds, frame.reason);
        break;
      case 'renewed':
        for (const { seatIds } of frame.lost) this.#lose(seatIds, 'not renewed');
    }
  }

  #forget(seatId: string): void {
    this.leases.delete(seatId);
    this.#pinned.delete(seatId);
  }

  /** Nothing fails here, so a lease ends for one reason only: its time is over. */
  #lose(seatIds: readonly string[], reason: string): void {
    for (const seatId of seatIds) {
      const mayEnd =
        this.leases.get(seatId) !== false &&
        ['expired', 'deadline', 'not renewed', 'not resumed'].includes(reason);
      if (!mayEnd) this.#world.wrongs.push(`${this.name} lost ${seatId}: ${reason}`);
      this.#forget(seatId);
    }
  }
}

/** At a moment when its heir may have arrived, or not. */
async function closeMeanwhile(client: TestClient): Promise<void> {
  await pause(Math.random() * 8);
  await client.terminate();
}
