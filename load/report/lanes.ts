import type { SeatState } from '../../protocol/index.ts';
import type { FaultLine, HistoryLine } from '../history.ts';
import type { BookedSpan, EndOfLease, Lane, Span } from './data.ts';

interface Holding {
  readonly who: string;
  readonly fromMs: number;
  /** When the lease ends if it is not renewed. */
  endsMs: number;
}

interface Kept {
  readonly spans: Span[];
  readonly booked: BookedSpan[];
  readonly lies: number[];
  refused: number;
  /** The last state that the watcher saw. */
  state: SeatState;
}

/** A lease that was lost this long before its end did not expire: its lock was deleted. */
const EARLY_MS = 100;

/** `users-4711-1-17.2` is the second connection of user 17. */
export const userOf = (client: string): string => `user ${/-(\d+)\.\d+$/.exec(client)?.[1] ?? client}`;

/** Follows the leases of all clients. For a few seats it keeps every lease, for the others only counts. */
export class Leases {
  readonly ends = new Map<EndOfLease, number>();
  readonly #byClient = new Map<string, Map<string, Holding>>();
  readonly #kept: ReadonlyMap<string, Kept>;

  constructor(seatIds: readonly string[]) {
    this.#kept = new Map(
      seatIds.map((id) => [id, { spans: [], booked: [], lies: [], refused: 0, state: 'available' }]),
    );
  }

  granted(client: string, seatIds: readonly string[], ms: number, expiresInMs: number): void {
    const own = this.#byClient.get(client) ?? new Map<string, Holding>();
    this.#byClient.set(client, own);
    for (const seatId of seatIds) {
      const fromMs = own.get(seatId)?.fromMs ?? ms;
      own.set(seatId, { who: userOf(client), fromMs, endsMs: ms + expiresInMs });
    }
  }

  refused(seatIds: readonly string[]): void {
    for (const seatId of seatIds) {
      const kept = this.#kept.get(seatId);
      if (kept) kept.refused++;
    }
  }

  renewed(client: string, seatIds: readonly string[], ms: number, expiresInMs: number): void {
    const own = this.#byClient.get(client);
    for (const seatId of seatIds) {
      const holding = own?.get(seatId);
      if (holding) holding.endsMs = ms + expiresInMs;
    }
  }

  ended(client: string, seatIds: readonly string[], ms: number, end: EndOfLease): void {
    const own = this.#byClient.get(client);
    for (const seatId of seatIds) {
      const holding = own?.get(seatId);
      if (holding === undefined) continue;
      own?.delete(seatId);
      this.#close(seatId, holding, ms, end);
    }
  }

  closed(client: string, ms: number, code: number): void {
    const seatIds = [...(this.#byClient.get(client)?.keys() ?? [])];
    this.ended(client, seatIds, ms, code === 1000 ? 'left' : 'vanished');
    this.#byClient.delete(client);
  }

  confirmed(client: string, seatIds: readonly string[], ms: number): void {
    this.ended(client, seatIds, ms, 'booked');
    for (const seatId of seatIds) this.#kept.get(seatId)?.booked.push({ who: userOf(client), fromMs: ms });
  }

  /** The watcher saw a state. A seat that is no longer booked was refunded, even if the next state seen is already `held`. */
  saw(seatId: string, state: SeatState, ms: number): void {
    const kept = this.#kept.get(seatId);
    if (kept === undefined) return;
    const open = kept.booked.findIndex(({ toMs }) => toMs === undefined);
    const refunded = kept.booked[open];
    if (kept.state === 'booked' && state !== 'booked' && refunded !== undefined) {
      kept.booked[open] = { ...refunded, toMs: ms };
    }
    kept.state = state;
  }

  fault({ seatIds = [], ms }: FaultLine): void {
    for (const seatId of seatIds) this.#kept.get(seatId)?.lies.push(ms);
  }

  lanes(endMs: number): Lane[] {
    for (const [client, own] of this.#byClient) this.ended(client, [...own.keys()], endMs, 'open');
    return [...this.#kept].map(([seatId, { spans, booked, lies, refused }]) => ({
      seatId,
      holders: spans.sort((a, b) => a.fromMs - b.fromMs),
      booked,
      liesMs: lies,
      refused,
    }));
  }

  #close(seatId: string, { who, fromMs, endsMs }: Holding, ms: number, said: EndOfLease): void {
    // The lease ended at this time at the latest, even if its owner was told later or never.
    const isOver = endsMs < ms && said !== 'booked';
    const isEarly = said === 'expired' && ms < endsMs - EARLY_MS;
    const end = isOver ? 'expired' : isEarly ? 'taken' : said;
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
    this.#kept
      .get(seatId)
      ?.spans.push({ who, fromMs, toMs: Math.max(fromMs, Math.min(ms, isOver ? endsMs : ms)), end });
  }
}

/** A request of a client. */
export type Asked = Extract<HistoryLine, { kind: 'invoke' }>;
