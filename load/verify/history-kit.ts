import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientFrame, SeatState, ServerFrame } from '../../protocol/index.ts';
import type { EndMap, FaultLine, HistoryLine } from '../history.ts';
import { type Verdict, verify } from './verify.ts';

/** The user id of the client with this number. */
export const userOf = (client: number): string =>
  `00000000-0000-4000-8000-${String(client).padStart(12, '0')}`;
export const requestIdOf = (request: number): string =>
  `10000000-0000-4000-8000-${String(request).padStart(12, '0')}`;
export const bookingIdOf = (booking: number): string =>
  `20000000-0000-4000-8000-${String(booking).padStart(12, '0')}`;
export const sessionOf = (session: number): string => `session-number-${String(session).padStart(8, '0')}`;
export const SHOW = 'show';

/** A frame without its id. */
export type Sent = ClientFrame extends infer F ? (F extends ClientFrame ? Omit<F, 'id'> : never) : never;
export type Reply = ServerFrame extends infer F ? (F extends ServerFrame ? Omit<F, 'id'> : never) : never;

/** Builds a history for a test. Times are in ms. */
export class Story {
  lines: HistoryLine[] = [];
  #ids = 0;

  open(client: number, ms: number): this {
    this.lines.push({ kind: 'open', ms, client: `c${client}`, pushes: true });
    return this;
  }

  /** A client connects and says hello. */
  join(
    client: number,
    ms: number,
    { session = client, leases = [] as string[], expiresInMs = 1_000 } = {},
  ): this {
    return this.open(client, ms - 1).ask(
      client,
      ms,
      ms + 1,
      { type: 'hello' } as Sent,
      {
        ...{ type: 'welcome', protocol: 1, session: sessionOf(session), userId: userOf(session) },
        ...{ leaseTtlMs: 1_000, heartbeatMs: 333, maxHoldMs: 60_000, checkoutMs: 5_000, maxSeatsPerHold: 10 },
        ...{ resumed: leases.length > 0, lost: [] },
        leases: leases.length > 0 ? [{ showId: SHOW, seatIds: leases, expiresInMs }] : [],
      } as Reply,
    );
  }

  /** A frame and, if there was one, its reply. */
  ask(client: number, fromMs: number, toMs: number, frame: Sent, reply?: Reply): this {
    const id = `f${++this.#ids}`;
    const name = `c${client}`;
    this.lines.push({ kind: 'invoke', ms: fromMs, client: name, frame: { ...frame, id } as ClientFrame });
    if (reply !== undefined)
      this.lines.push({ kind: 'return', ms: toMs, client: name, frame: { ...reply, id } as ServerFrame });
    return this;
  }

  push(client: number, ms: number, frame: Reply): this {
    this.lines.push({ kind: 'push', ms, client: `c${client}`, frame: frame as ServerFrame });
    return this;
  }

  hold(client: number, fromMs: number, toMs: number, seatIds = ['A1'], expiresInMs = 1_000): this {
    const held = { showId: SHOW, seatIds, expiresInMs, deadlineInMs: 60_000, epoch: 'e', seq: 1 };
    return this.ask(client, fromMs, toMs, { type: 'hold', showId: SHOW, seatIds }, { type: 'held', ...held });
  }

  refused(client: number, fromMs: number, toMs: number, state: SeatState = 'held', seatId = 'A1'): this {
    const reply = refusal('seat_unavailable', { conflicts: [{ seatId, state }] });
    return this.ask(client, fromMs, toMs, { type: 'hold', showId: SHOW, seatIds: [seatId] }, reply);
  }

  confirm(client: number, ms: number, request: number, reply: Reply | undefined, seatIds = ['A1']): this {
    const requestId = requestIdOf(request);
    return this.ask(client, ms, ms + 5, { type: 'confirm', showId: SHOW, seatIds, requestId }, reply);
  }

  delta(
    client: number,
    ms: number,
    from: number,
    to: number,
    changes: Record<string, SeatState>,
    epoch = 'e',
  ) {
    return this.push(client, ms, { type: 'delta', showId: SHOW, epoch, from, to, changes } as Reply);
  }

  watch(client: number, ms: number, seq = 0, held: string[] = [], booked: string[] = []): this {
    const snapshot = { type: 'snapshot', showId: SHOW, epoch: 'e', seq, seats: 20, held, booked };
    return this.ask(client, ms, ms + 1, { type: 'watch', showId: SHOW }, snapshot as Reply);
  }

  closing(client: number, ms: number): this {
    this.lines.push({ kind: 'closing', ms, client: `c${client}` });
    return this;
  }

  close(client: number, ms: number, code = 1000): this {
    this.lines.push({ kind: 'close', ms, client: `c${client}`, code });
    return this;
  }

  fault(ms: number, untilMs: number, seatIds: string[]): this {
    this.lines.push({ kind: 'fault', ms, untilMs, name: 'lie', forgets: true, showId: SHOW, seatIds });
    return this;
  }

  /** A fault that touches these things. */
  struck(ms: number, untilMs: number, touches: FaultLine['touches'] & {}): this {
    this.lines.push({ kind: 'fault', ms, untilMs, name: 'strike', forgets: false, touches });
    return this;
  }

  /** A fault that may have prolonged leases. */
  prolonged(ms: number, untilMs: number, prolongsMs: number): this {
    this.lines.push({ kind: 'fault', ms, untilMs, name: 'clock', forgets: false, prolongsMs });
    return this;
  }

  end(ms: number, map: Partial<EndMap> = {}): this {
    const maps = [{ showId: SHOW, epoch: 'e', seq: 0, held: [], booked: [], ...map }];
    this.lines.push({ kind: 'end', ms, maps });
    return this;
  }

  /** Writes the history, each client in a file of its own, and has it checked. */
  async judge(databaseUrl?: string): Promise<Verdict> {
    const dir = mkdtempSync(join(tmpdir(), 'rowlock-story-'));
    mkdirSync(dir, { recursive: true });
    const files = new Map<string, HistoryLine[]>();
    for (const line of this.lines) {
      const file = 'client' in line ? line.client : 'run';
      files.set(file, [...(files.get(file) ?? []), line]);
    }
    for (const [file, lines] of files) {
      const sorted = lines.toSorted((a, b) => a.ms - b.ms);
      writeFileSync(join(dir, `${file}.jsonl`), sorted.map((line) => `${JSON.stringify(line)}\n`).join(''));
    }
    try {
      return await verify({ historyDir: dir, databaseUrl });
    } finally {
      rmSync(dir, { recursive: true });
    }
  }
}

export const refusal = (code: string, details: object = {}, retryable = false): Reply =>
  ({ type: 'error', code, message: 'no', retryable, ...details }) as Reply;

export const confirmed = (
  request: number,
  { seatIds = ['A1'], booking = 1, replayed = false, refunded = false } = {},
): Reply =>
  ({
    ...{ type: 'confirmed', showId: SHOW, seatIds, requestId: requestIdOf(request), replayed },
    bookings: seatIds.map((seatId, i) => ({ bookingId: bookingIdOf(booking + i), seatId })),
    ...(refunded ? { refunded: true } : {}),
  }) as Reply;

export const renewed = (seatIds: string[], expiresInMs = 1_000, lost: string[] = []): Reply =>
  ({
    type: 'renewed',
    leases: seatIds.length > 0 ? [{ showId: SHOW, seatIds, expiresInMs }] : [],
    lost: lost.length > 0 ? [{ showId: SHOW, seatIds: lost }] : [],
  }) as Reply;

/** Two clients that have said hello. */
export const two = () => new Story().join(1, 1).join(2, 2);
/** The kinds of violations that the checker finds. */
export const kindsOf = async (story: Story) => Object.keys((await story.judge()).kinds);
