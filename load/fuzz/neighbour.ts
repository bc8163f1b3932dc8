import { setTimeout as pause } from 'node:timers/promises';
import { FuzzClient } from './client.ts';
import { BYSTANDER_SHOW } from './frames.ts';

/** The show of the neighbour alone, in which its holds and releases are timed. */
export const NEIGHBOUR_SHOW = 'neighbour';
export const BYSTANDER_SEATS = 20;

/** Far slower than the limit of frames a second allows. */
const EVERY_MS = 80;
const BOOKED_SEATS = 10;

/**
 * A client that behaves well while others do not. It has every seat of a show, half of them booked and half by leases that it
 * keeps alive, and measures how long the server takes to hold and release a seat.
 */
export class Neighbour {
  readonly #client: FuzzClient;
  readonly session: string;
  #latenciesMs: number[] = [];
  #sent = 0;
  #going = true;
  readonly #round: Promise<void>;

  private constructor(client: FuzzClient, session: string) {
    this.#client = client;
    this.session = session;
    this.#round = this.#goOn();
    this.#round.catch(() => undefined);
  }

  static async arrive(port: number): Promise<Neighbour> {
    const client = await FuzzClient.open(port);
    client.send('{"type":"hello","id":"n0"}');
    const [, session = ''] =
      /"session":"([^"]+)"/.exec(await client.text((text) => text.includes('"n0"'))) ?? [];
    const seats = Array.from({ length: BYSTANDER_SEATS }, (_, i) => `A${i + 1}`);
    const frames = [
      { type: 'hold', id: 'n1', seatIds: seats.slice(0, BOOKED_SEATS) },
      { type: 'confirm', id: 'n2', seatIds: seats.slice(0, BOOKED_SEATS), requestId: crypto.randomUUID() },
      { type: 'hold', id: 'n3', seatIds: seats.slice(BOOKED_SEATS) },
    ];
    for (const frame of frames) {
      client.send(JSON.stringify({ ...frame, showId: BYSTANDER_SHOW }));
      const reply = await client.text((text) => text.includes(`"id":"${frame.id}"`));
      if (reply.includes('"error"')) throw new Error(`the neighbour did not get its seats: ${reply}`);
    }
    return new Neighbour(client, session);
  }

  /** Latencies since the last call. Rejects if anything went wrong for the neighbour. */
  async latenciesMs(): Promise<number[]> {
    if (!this.#going) await this.#round;
    const latencies = this.#latenciesMs;
    this.#latenciesMs = [];
    return latencies;
  }

  async leave(): Promise<void> {
    this.#going = false;
    await this.#round;
    this.#client.socket.destroy();
  }

  async #goOn(): Promise<void> {
    const seat = { showId: NEIGHBOUR_SHOW, seatIds: ['A1'] };
    try {
      while (this.#going) {
        await this.#ask('held', { type: 'hold', ...seat });
        await this.#ask('released', { type: 'release', ...seat });
        const renewed = await this.#ask('renewed', { type: 'heartbeat' });
        if (!renewed.includes('"lost":[]')) throw new Error(`the neighbour lost leases: ${renewed}`);
        await pause(EVERY_MS);
      }
    } finally {
      this.#going = false;
    }
  }

  async #ask(wanted: string, frame: object): Promise<string> {
    const id = `m${++this.#sent}`;
    const from = this.#client.texts.length;
    const startMs = performance.now();
    this.#client.send(JSON.stringify({ ...frame, id }));
    const reply = await this.#client.text((text) => text.includes(`"id":"${id}"`), from);
    this.#latenciesMs.push(performance.now() - startMs);
    if (!reply.startsWith(`{"type":"${wanted}"`)) throw new Error(`the neighbour was refused: ${reply}`);
    return reply;
  }
}
