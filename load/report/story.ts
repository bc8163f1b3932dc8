import { percentile } from '../bench/kit/numbers.ts';
import type { HistoryLine } from '../history.ts';
import type { Latency, Series, Story } from './data.ts';
import { type Asked, Leases } from './lanes.ts';

type LineOf<Kind extends HistoryLine['kind']> = Extract<HistoryLine, { kind: Kind }>;

const FINE_MS = 100;
const MOST_BUCKETS = 120;
const bucketSizesMs = [100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000];

/** Derives the data of a report from the lines of a history, which it must get in the order of their times. */
export class Storyteller {
  readonly #leases: Leases;
  readonly #asked = new Map<string, Asked>();
  readonly #tookMs = new Map<string, number[]>();
  readonly #counts = new Map<string, number[]>();
  readonly #totals = { connections: 0, changes: 0, lies: 0, replayed: 0 };
  #zeroMs: number | undefined;
  #nowMs = 0;
  #lastMs = 0;

  /** @param seatIds the seats whose holders are shown */
  constructor(seatIds: readonly string[]) {
    this.#leases = new Leases(seatIds);
  }

  tell(line: HistoryLine): void {
    if (line.kind === 'end') return;
    // The run begins with the first user. The watcher connects before.
    if (line.kind === 'open' && line.client !== 'watcher') this.#zeroMs ??= line.ms;
    this.#nowMs = line.ms - (this.#zeroMs ?? line.ms);
    if ('client' in line && line.client !== 'watcher') this.#lastMs = Math.max(this.#lastMs, this.#nowMs);
    switch (line.kind) {
      case 'open':
        if (line.client !== 'watcher') this.#totals.connections++;
        break;
      case 'invoke':
        this.#asked.set(`${line.client} ${line.frame.id}`, line);
        break;
      case 'return':
        this.#returned(line);
        break;
      case 'push':
        this.#pushed(line);
        break;
      case 'close':
        this.#leases.closed(line.client, this.#nowMs, line.code);
        break;
      case 'fault':
        this.#totals.lies++;
        this.#leases.fault({ ...line, ms: this.#nowMs });
        break;
    }
  }

  end(): Story {
    const total = (name: string) =>
      (this.#counts.get(name) ?? []).reduce((sum, count) => sum + (count ?? 0), 0);
    const lanes = this.#leases.lanes(this.#lastMs);
    return {
      lengthMs: this.#lastMs,
      lanes,
      series: this.#series(),
      latencies: [...this.#tookMs].map(([what, took]) => latencyOf(what, took)),
      ends: Object.fromEntries(this.#leases.ends),
      totals: {
        granted: total('granted'),
        refused: total('refused'),
        confirmed: total('confirmed'),
        notConfirmed: total('notConfirmed'),
        ...this.#totals,
      },
    };
  }

  #returned({ client, frame, ms }: LineOf<'return'>): void {
    const key = `${client} ${'id' in frame ? frame.id : ''}`;
    const asked = this.#asked.get(key);
    this.#asked.delete(key);
    if (asked === undefined || client === 'watcher') return;
    this.#took(nameOf(asked, frame), ms - asked.ms);
    const now = this.#nowMs;
    switch (frame.type) {
      case 'held':
        this.#count('granted');
        this.#leases.granted(client, frame.seatIds, now, frame.expiresInMs);
        break;
      case 'welcome':
        for (const { seatIds, expiresInMs } of frame.leases)
          this.#leases.granted(client, seatIds, now, expiresInMs);
        break;
      case 'renewed':
        for (const { seatIds, expiresInMs } of frame.leases)
          this.#leases.renewed(client, seatIds, now, expiresInMs);
        for (const { seatIds } of frame.lost) this.#leases.ended(client, seatIds, now, 'taken');
        break;
      case 'released':
        this.#leases.ended(client, frame.seatIds, now, 'released');
        break;
      case 'confirmed':
        if (frame.replayed) this.#totals.replayed++;
        else {
          this.#count('confirmed');
          this.#leases.confirmed(client, frame.seatIds, now);
        }
        break;
      case 'error':
        this.#refused(client, asked);
        break;
    }
  }

  #refused(client: string, { frame }: Asked): void {
    if (frame.type === 'hold') {
      this.#count('refused');
      this.#leases.refused(frame.seatIds);
    } else if (frame.type === 'confirm') {
      this.#count('notConfirmed');
      this.#leases.ended(client, frame.seatIds, this.#nowMs, 'lost');
    }
  }

  #pushed({ client, frame }: LineOf<'push'>): void {
    if (frame.type === 'lease_lost') {
      const end = frame.reason === 'expired' || frame.reason === 'deadline' ? 'expired' : 'taken';
      this.#leases.ended(client, frame.seatIds, this.#nowMs, end);
    } else if (frame.type === 'delta' && client === 'watcher') {
      this.#totals.changes += frame.to - frame.from + 1;
      for (const [seatId, state] of Object.entries(frame.changes)) {
        this.#leases.saw(seatId, state, this.#nowMs);
      }
    }
  }

  #took(what: string, tookMs: number): void {
    const took = this.#tookMs.get(what);
    if (took) took.push(tookMs);
    else this.#tookMs.set(what, [tookMs]);
  }

  #count(name: string): void {
    const counts = this.#counts.get(name) ?? [];
    this.#counts.set(name, counts);
    const at = Math.floor(this.#nowMs / FINE_MS);
    counts[at] = (counts[at] ?? 0) + 1;
  }

  #series(): Series {
    const bucketMs = bucketSizesMs.find((size) => this.#lastMs / size <= MOST_BUCKETS) ?? 60_000;
    const many = Math.max(1, Math.ceil(this.#lastMs / bucketMs));
    const of = (name: string) => {
      const buckets = Array.from({ length: many }, () => 0);
      this.#counts.get(name)?.forEach((count, at) => {
        const bucket = Math.min(many - 1, Math.floor((at * FINE_MS) / bucketMs));
        buckets[bucket] = (buckets[bucket] ?? 0) + count;
      });
      return buckets;
    };
    return {
      bucketMs,
      granted: of('granted'),
      refused: of('refused'),
      confirmed: of('confirmed'),
      notConfirmed: of('notConfirmed'),
    };
  }
}

/** The row of a reply in the table of latencies. Granted and refused holds have rows of their own, as they take different times. */
function nameOf({ frame: { type } }: Asked, reply: LineOf<'return'>['frame']): string {
  if (type === 'hold') return reply.type === 'held' ? 'hold, granted' : 'hold, refused';
  if (type === 'confirm') return reply.type === 'confirmed' ? 'confirm, booked' : 'confirm, refused';
  return type;
}

function latencyOf(what: string, took: readonly number[]): Latency {
  const sorted = took.toSorted((a, b) => a - b);
  return {
    what,
    count: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p90Ms: percentile(sorted, 0.9),
    p99Ms: percentile(sorted, 0.99),
    maxMs: sorted.at(-1) ?? 0,
  };
}
