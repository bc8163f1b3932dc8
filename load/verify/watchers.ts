/**
 * Makes for each watcher the map that follows from what it was told. At any time, watchers of one show at the same position must
 * have the same map. At the end every map must agree with the stores.
 */
import type { ServerFrame } from '../../protocol/index.ts';
import type { EndMap } from '../history.ts';
import {
  type Client,
  describe,
  describePush,
  isOperation,
  type Judge,
  type Operation,
  type ReplyFrame,
} from './operations.ts';
import type { Tables } from './tables.ts';
import type { Findings } from './violations.ts';
import { SeatNumbers, WatchedMap } from './watched-map.ts';

/** What the stores say at the end. What is not known is left out. */
export interface FinalMap {
  readonly showId: string;
  readonly source: string;
  readonly epoch?: string | undefined;
  readonly seq?: number | undefined;
  readonly held?: ReadonlySet<string> | undefined;
  readonly booked: ReadonlySet<string>;
  /** It was read after the run, when leases may have ended. So only maps at the same position can be compared with it. */
  readonly movesOn?: boolean;
}

interface Seen {
  readonly fingerprint: string;
  readonly client: Client;
  readonly ms: number;
  readonly map: WatchedMap;
}

interface Show {
  readonly showId: string;
  readonly numbers: SeatNumbers;
  readonly maps: Map<Client, WatchedMap>;
  /** For each position, the first watcher that was there. */
  readonly seen: Map<string, Seen>;
  readonly everBooked: Map<number, string>;
  readonly turnedBack: Map<string, string>;
}

/** Within this a watcher with a gap must have asked again, and every map must have the last changes. */
const CONVERGED_MS = 2_000;
/** How many positions of each show are remembered for comparison. Enough, because at any time all watchers are close together. */
const MAX_POSITIONS = 20_000;

export class Watchers implements Judge {
  readonly #findings: Findings;
  readonly #shows = new Map<string, Show>();
  #run: { readonly firstMs: number } = { firstMs: 0 };
  #compared = 0;
  #endMs: number | undefined;
  /** Describes the frame that is being applied. */
  #told: () => string = () => '';

  constructor(findings: Findings) {
    this.#findings = findings;
  }

  get showIds(): string[] {
    return [...this.#shows.keys()];
  }

  get maps(): number {
    let count = 0;
    for (const { maps } of this.#shows.values()) count += maps.size;
    return count;
  }

  /** How many maps were compared with that of another watcher at the same position. */
  get compared(): number {
    return this.#compared;
  }

  /** Violations name times relative to the beginning of the run. */
  begin(run: { readonly firstMs: number }): void {
    this.#run = run;
  }

  invoked(operation: Operation): void {
    if (!isOperation(operation, 'watch')) return;
    const map = this.#shows.get(operation.frame.showId)?.maps.get(operation.client);
    if (map !== undefined) map.asked = true;
  }

  returned(operation: Operation, reply: ReplyFrame): void {
    const { client, returnedMs } = operation;
    if (reply.type === 'unwatched') this.#shows.get(reply.showId)?.maps.delete(client);
    else if (client.pushes && (reply.type === 'snapshot' || reply.type === 'delta'))
      this.#fold(client, reply, returnedMs, () => describe(operation, this.#run));
  }

  pushed(client: Client, frame: ServerFrame, ms: number): void {
    if (client.pushes && (frame.type === 'snapshot' || frame.type === 'delta'))
      this.#fold(client, frame, ms, () => describePush(client, frame, ms, this.#run));
  }

  closed(client: Client, ms: number): void {
    for (const show of this.#shows.values()) {
      const map = show.maps.get(client);
      if (map === undefined) continue;
      this.#judgeGap(show, client, map, ms);
      // After the final maps were recorded the map is kept, to be compared with them in `finish`.
      if (this.#endMs === undefined) show.maps.delete(client);
    }
  }

  /** The final maps were recorded. Watchers that are still there are compared with them, even if they leave from now on. */
  ended(ms: number): void {
    this.#endMs = ms;
  }

  /**
   * Judges after all lines were read.
   * @param quietMs when the last change was requested: maps that existed long enough after it must have converged
   */
  finish(
    end: { lastMs: number; quietMs: number },
    finals: readonly FinalMap[],
    tables: Tables | undefined,
  ): void {
    const { lastMs, quietMs } = end;
    for (const show of this.#shows.values()) {
      for (const [client, map] of show.maps) this.#judgeGap(show, client, map, lastMs);
      const isSettled = this.#endMs !== undefined || lastMs - quietMs >= CONVERGED_MS;
      if (isSettled)
        for (const final of finals) if (final.showId === show.showId) this.#judgeEnd(show, final);
      if (tables !== undefined) this.#judgeBookings(show, tables);
    }
  }

  #fold(client: Client, frame: ServerFrame, ms: number, told: () => string): void {
    if (frame.type !== 'snapshot' && frame.type !== 'delta') return;
    const show = this.#show(frame.showId);
    let map = show.maps.get(client);
    if (map === undefined) {
      // Deltas that were on their way when the watcher unwatched the show.
      if (frame.type === 'delta') return;
      map = new WatchedMap(show.numbers, this.#tell(show, client));
      show.maps.set(client, map);
    }
    this.#told = told;
    if (frame.type === 'snapshot') map.replace(frame);
    else if (map.fold(frame) === 'gap') {
      if (map.gapMs === undefined) map.asked = false;
      map.gapMs ??= ms;
      return;
    }
    this.#compare(show, client, map, ms);
  }

  #tell(show: Show, client: Client) {
    return {
      turnedBack: (seatId: string) => {
        if (!show.turnedBack.has(seatId)) show.turnedBack.set(seatId, this.#told());
      },
      seenBooked: (seat: number) => {
        if (!show.everBooked.has(seat)) show.everBooked.set(seat, `${client.name}: ${this.#told()}`);
      },
    };
  }

  #compare(show: Show, client: Client, map: WatchedMap, ms: number): void {
    const position = `${map.epoch} ${map.seq}`;
    const { fingerprint } = map;
    const seen = show.seen.get(position);
    if (seen === undefined) {
      if (show.seen.size >= MAX_POSITIONS) dropOldest(show.seen);
      show.seen.set(position, { fingerprint, client, ms, map });
      return;
    }
    if (seen.client === client) return;
    this.#compared += 1;
    if (seen.fingerprint === fingerprint) return;
    const what = `two watchers of ${show.showId} stand at ${position} and see different maps`;
    const first = `${((seen.ms - this.#run.firstMs) / 1_000).toFixed(4)} s ${seen.client.name} stood there first`;
    this.#add('maps_differ', what, first, `${client.name}: ${this.#told()}`);
  }

  #judgeGap({ showId }: Show, client: Client, map: WatchedMap, ms: number): void {
    if (map.gapMs === undefined || map.asked || ms - map.gapMs < CONVERGED_MS) return;
    const what = `${client.name} missed changes of ${showId} and did not ask for them`;
    const at = `${((map.gapMs - this.#run.firstMs) / 1_000).toFixed(4)} s: it stood at ${map.epoch} ${map.seq}`;
    this.#add('unnoticed_gap', what, at);
  }

  #judgeEnd(show: Show, final: FinalMap): void {
    for (const [client, map] of show.maps) {
      if (client.closedMs !== undefined && (this.#endMs ?? Number.POSITIVE_INFINITY) > client.closedMs)
        continue;
      const { epoch, seq } = final;
      const isSame = map.epoch === epoch && map.seq === seq;
      const isLater = map.epoch === epoch && seq !== undefined && map.seq > seq;
      const stands = `it stands at ${map.epoch} ${map.seq}, ${final.source} at ${epoch ?? '?'} ${seq ?? '?'}`;
      const wrong = difference('booked', map.seatsIn('booked'), final.booked);
      // What was held may have changed after the final map was recorded; what was booked may not.
      if (final.held !== undefined && (isSame || !(isLater || final.movesOn)))
        wrong.push(...difference('held', map.seatsIn('held'), final.held));
      if (wrong.length === 0) continue;
      const what = `the map of ${client.name} did not converge: ${show.showId}, ${wrong.slice(0, 10).join(', ')}`;
      this.#add('not_converged', what, stands);
    }
  }

  #judgeBookings({ showId, numbers, everBooked, turnedBack }: Show, tables: Tables): void {
    for (const [seatId, told] of turnedBack) {
      if (tables.cancelled.has(`${showId} ${seatId}`)) continue;
      this.#add(
        'booked_turned_back',
        `seat ${seatId} of ${showId} was booked, then not, without a refund`,
        told,
      );
    }
    const booked = tables.booked.get(showId);
    for (const [seat, told] of everBooked) {
      const seatId = numbers.ids[seat] ?? '';
      if (booked?.has(seatId) || tables.cancelled.has(`${showId} ${seatId}`) || turnedBack.has(seatId))
        continue;
      this.#add('booked_for_nobody', `seat ${seatId} of ${showId} was shown booked and never was`, told);
    }
  }

  #show(showId: string): Show {
    const known = this.#shows.get(showId);
    if (known !== undefined) return known;
    const show: Show = {
      ...{ showId, numbers: new SeatNumbers(), maps: new Map(), seen: new Map() },
      ...{ everBooked: new Map(), turnedBack: new Map() },
    };
    this.#shows.set(showId, show);
    return show;
  }

  #add(kind: string, what: string, ...operations: string[]): void {
    this.#findings.add(kind, { rule: 'I7', what, operations });
  }
}

function dropOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}

function difference(state: string, seen: readonly string[], right: ReadonlySet<string>): string[] {
  const shown = new Set(seen);
  const missing = [...right].filter((seatId) => !shown.has(seatId)).map((seatId) => `${seatId} is ${state}`);
  return [
    ...missing,
    ...seen.filter((seatId) => !right.has(seatId)).map((seatId) => `${seatId} is not ${state}`),
  ];
}

export const finalOf = ({ showId, epoch, seq, held, booked }: EndMap): FinalMap => ({
  ...{ showId, epoch, seq, held: new Set(held), booked: new Set(booked) },
  source: 'the end of the history',
});
