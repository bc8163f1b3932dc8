import { decodeServerFrame, type ServerFrame } from '../../protocol/index.ts';
import { FuzzClient } from './client.ts';
import { compare, expectationOf, isReply } from './expected.ts';
import { fillIn, type Places } from './frames.ts';
import type { Scenario } from './scenario.ts';
import { BareSocket } from './socket.ts';

/** Every request is answered within this, including confirms, and a `watch` whose `since` is ahead of the map. */
const REPLIES_WITHIN_MS = 8_000;
/** After bytes that get no answer, wait so long: if they do harm, it shows by then. */
const QUIET_MS = 12;

const UUID = /[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/gi;

/** What was sent and answered. At the end the tables are checked against it. */
export class Seen {
  /** Every UUID that was sent, and every user id that the server generated. */
  readonly uuids = new Set<string>();
  /** Bookings that the server has confirmed. */
  readonly bookings = new Set<string>();
  /** How often each code, type and status was answered. */
  readonly answers = new Map<string, number>();

  sent(bytes: Buffer): void {
    for (const [uuid] of bytes.toString('latin1').matchAll(UUID)) this.uuids.add(uuid.toLowerCase());
  }

  answer(what: string): void {
    this.answers.set(what, (this.answers.get(what) ?? 0) + 1);
  }
}

export interface Target {
  readonly port: number;
  /** The session of another client, which is connected. */
  readonly victim: string;
  readonly seen: Seen;
}

/** Plays scenarios one after the other, and checks the answers of each. */
export class Player {
  readonly #target: Target;
  /** From the previous connection, so that there is a session to resume. */
  #places: Places;

  constructor(target: Target) {
    this.#target = target;
    const nobody = {
      session: 'x'.repeat(44),
      user: '5f0c2b6e-8d0a-4f7b-9a51-2c9d3e4f5a6b',
      epoch: 'x'.repeat(16),
    };
    this.#places = { ...nobody, victim: target.victim };
  }

  /** Resolves with a sentence that says what was wrong, or undefined. */
  async play(scenario: Scenario): Promise<string | undefined> {
    switch (scenario.kind) {
      case 'frames':
      case 'cold':
        return this.#frames(scenario);
      case 'bytes':
        return this.#bytes(scenario.parts);
      case 'upgrade':
        return this.#http(scenario.parts, false);
      case 'http':
        return this.#http(scenario.parts, scenario.patient);
    }
  }

  async #frames({
    kind,
    texts,
    patient,
  }: Scenario & { kind: 'frames' | 'cold' }): Promise<string | undefined> {
    const join = kind === 'frames';
    const client = await FuzzClient.open(this.#target.port);
    if (join) await this.#join(client);
    const sent = texts.map((text) => this.#fill(Buffer.from(text)));
    const expectation = expectationOf(sent, join);
    const { ends, replies: wanted } = expectation;
    const replies: ServerFrame[] = [];
    // Each text is decoded once.
    let read = client.texts.length;
    const answered = (count: number) => {
      for (; read < client.texts.length; read++) {
        const frame = this.#read(client.texts[read] ?? '');
        if (isReply(frame)) replies.push(frame);
      }
      return replies.length >= count;
    };
    for (const [i, bytes] of sent.entries()) {
      client.send(bytes);
      if (patient)
        await client.socket.until(() => answered(Math.min(i + 1, wanted.length)), REPLIES_WITHIN_MS);
    }
    // If a frame must end the connection, wait for that, not only for the replies.
    await client.socket.until(() => answered(wanted.length) && ends !== 'yes', REPLIES_WITHIN_MS);
    answered(wanted.length);
    const heard = { replies, closed: client.socket.closed, closeCode: client.frames.closeCode };
    client.socket.destroy();
    return client.broken?.message ?? compare(expectation, heard);
  }

  async #bytes(parts: readonly Buffer[]): Promise<string | undefined> {
    const client = await FuzzClient.open(this.#target.port);
    await this.#join(client);
    for (const part of parts) client.socket.write(this.#fill(part));
    await client.socket.quiet(QUIET_MS);
    for (const text of client.texts.slice(1)) {
      const frame = this.#read(text);
      if (frame.type === 'error' && frame.code === 'internal') return `a bug: ${text}`;
    }
    if (client.frames.closeCode !== undefined) this.#target.seen.answer(`close ${client.frames.closeCode}`);
    else if (client.socket.closed) this.#target.seen.answer('cut');
    client.socket.destroy();
    return client.broken?.message;
  }

  async #http(parts: readonly Buffer[], patient: boolean): Promise<string | undefined> {
    const socket = new BareSocket(this.#target.port);
    for (const part of parts) {
      socket.write(this.#fill(part));
      if (patient) await socket.quiet(QUIET_MS);
    }
    await socket.quiet(QUIET_MS);
    const text = socket.received.toString('latin1');
    socket.destroy();
    if (text !== '' && !text.startsWith('HTTP/1.1 ')) return `no answer of HTTP: ${text.slice(0, 300)}`;
    const statuses = [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status ?? '');
    for (const status of statuses) this.#target.seen.answer(status);
    if (statuses.includes('500') || text.includes('"code":"internal"')) return `a bug: ${text.slice(0, 500)}`;
    return undefined;
  }

  async #join(client: FuzzClient): Promise<void> {
    client.send('{"type":"hello","id":"hello"}');
    this.#read(await client.text((text) => text.startsWith('{"type":"welcome"')));
  }

  #fill(bytes: Buffer): Buffer {
    const filled = fillIn(bytes, this.#places);
    this.#target.seen.sent(filled);
    return filled;
  }

  #read(text: string): ServerFrame {
    const decoded = decodeServerFrame(text);
    if (!decoded.ok) throw new Error(`the server sent what is no frame: ${text.slice(0, 300)}`);
    const { frame } = decoded;
    const { seen } = this.#target;
    seen.answer(frame.type === 'error' ? frame.code : frame.type);
    if (frame.type === 'welcome') {
      seen.uuids.add(frame.userId);
      this.#places = { ...this.#places, session: frame.session, user: frame.userId };
    } else if (frame.type === 'confirmed')
      for (const { bookingId } of frame.bookings) seen.bookings.add(bookingId);
    else if (frame.type === 'snapshot') this.#places = { ...this.#places, epoch: frame.epoch };
    return frame;
  }
}
