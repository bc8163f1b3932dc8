import { randomUUID } from 'node:crypto';
import type WebSocket from 'ws';
import { SeatMap } from '../../protocol/client/seat-map.ts';
import type {
  DeltaFrame,
  SeatState,
  ServerFrame,
  ShowSeats,
  SnapshotFrame,
  WelcomeFrame,
} from '../../protocol/index.ts';
import { type HistoryRecorder, machineMs } from '../history.ts';
import { Connection, openSocket, type Request } from './connection.ts';
import type { Refusal, Tally } from './tally.ts';

export interface UserOptions {
  readonly url: string;
  readonly showId: string;
  /** From 0; part of the user's name in the history. */
  readonly number: number;
  /** Identifies the process, so that names are unique in the run. */
  readonly process: string;
  readonly recorder: HistoryRecorder;
  readonly tally: Tally;
  readonly pushes: boolean;
}

type ReplyOf<Type extends ServerFrame['type']> = Extract<ServerFrame, { type: Type }>;

/** A user with one connection at a time and a map of the show, who knows which seats it has lost. */
export class VirtualUser {
  readonly userId = randomUUID();
  /** The map of the client library. */
  readonly map = new SeatMap();
  readonly number: number;
  /** Seats that `lease_lost` has named, with the reason. A hold removes its seats; a hello, and the end of some turns, all. */
  readonly lost = new Map<string, string>();
  readonly #options: UserOptions;
  #connection: Connection | undefined;
  #welcome: WelcomeFrame | undefined;
  #connections = 0;
  #wakers = new Set<() => void>();
  #watching: 'no' | 'joining' | 'yes' | 'comparing' = 'no';

  constructor(options: UserOptions) {
    this.#options = options;
    this.number = options.number;
  }

  get isConnected(): boolean {
    return this.#connection?.isOpen ?? false;
  }

  get heartbeatMs(): number {
    return this.#welcome?.heartbeatMs ?? 10_000;
  }

  /** Says hello on an open socket. With `leases` it resumes the previous session. */
  async greet(socket: WebSocket, leases?: ShowSeats[]): Promise<WelcomeFrame | undefined> {
    const { recorder, process, number, pushes } = this.#options;
    const connection = new Connection(socket, {
      recorder,
      name: `${process}-${number}.${++this.#connections}`,
      pushes,
      onFrame: (frame, isReply) => this.#received(frame, isReply),
      onLost: (why) => {
        this.#options.tally.count('failed', why);
        this.#wake();
      },
    });
    this.#connection = connection;
    this.#watching = 'no';
    this.lost.clear();
    const session = this.#welcome?.session;
    const resume = leases === undefined || session === undefined ? {} : { session, leases };
    const reply = await this.ask('welcome', { type: 'hello', userId: this.userId, ...resume });
    this.#welcome = reply ?? this.#welcome;
    return reply;
  }

  /** Connects again after a close. */
  async comeBack(leases?: ShowSeats[]): Promise<WelcomeFrame | undefined> {
    const socket = await openSocket(this.#options.url);
    if (socket !== undefined) return this.greet(socket, leases);
    this.#options.tally.count('failed', 'connect');
    return undefined;
  }

  async watch(): Promise<boolean> {
    const { showId } = this.#options;
    const since = this.map.position;
    this.#watching = 'joining';
    const reply = await this.#request('watch', { type: 'watch', showId, ...(since ? { since } : {}) }, []);
    return reply !== undefined && reply.type !== 'error';
  }

  async unwatch(): Promise<void> {
    this.#watching = 'no';
    await this.ask('unwatched', { type: 'unwatch', showId: this.#options.showId });
  }

  /** Gets a fresh snapshot and compares it with the map that was followed. */
  async compareMaps(): Promise<void> {
    this.#watching = 'comparing';
    await this.ask('snapshot', { type: 'watch', showId: this.#options.showId });
  }

  /** Undefined: the request was not granted. Refusals that are `allowed` count as expected. */
  async ask<Type extends ServerFrame['type']>(
    type: Type,
    request: Request,
    allowed: readonly Refusal[] = [],
  ): Promise<ReplyOf<Type> | undefined> {
    const reply = await this.#request(request.type, request, allowed);
    // Safe, because the protocol has one type of success frame for each request.
    return reply?.type === type ? (reply as ReplyOf<Type>) : undefined;
  }

  /** The same, but refusals are returned too. */
  async askAnything(request: Request, allowed: readonly Refusal[]): Promise<ServerFrame | undefined> {
    return this.#request(request.type, request, allowed);
  }

  /** Waits until `done` holds (checked at every frame), the connection is lost or the time is over. Resolves with `done()`. */
  async until(done: () => boolean, withinMs: number): Promise<boolean> {
    const endMs = machineMs() + withinMs;
    while (!done() && this.isConnected) {
      const leftMs = endMs - machineMs();
      if (leftMs <= 0) return false;
      await this.#somethingWithin(leftMs);
    }
    return done();
  }

  async vanish(): Promise<void> {
    await this.#connection?.vanish();
  }

  async leave(): Promise<void> {
    await this.#connection?.close();
  }

  async #request(
    what: string,
    request: Request,
    allowed: readonly Refusal[],
  ): Promise<ServerFrame | undefined> {
    const fromMs = machineMs();
    const reply = await this.#connection?.ask(request);
    if (reply !== undefined) this.#options.tally.reply(what, reply, allowed, machineMs() - fromMs);
    // A lost connection is counted elsewhere, once.
    else if (this.isConnected) this.#options.tally.count('failed', `${what}_overdue`);
    return reply;
  }

  /** Updates the state as soon as a frame arrives, not only when the promise of its reply resolves: a push may directly follow it. */
  #received(frame: ServerFrame, isReply: boolean): void {
    if (frame.type === 'lease_lost') {
      for (const seatId of frame.seatIds) this.lost.set(seatId, frame.reason);
    } else if (frame.type === 'snapshot' || frame.type === 'delta') {
      this.#receivedMap(frame, isReply);
    } else if (frame.type === 'error' && !isReply)
      this.#options.tally.count('unexpected', `push.${frame.code}`);
    this.#wake();
  }

  #receivedMap(frame: SnapshotFrame | DeltaFrame, isReply: boolean): void {
    if (this.#watching === 'no' || (this.#watching === 'joining' && !isReply)) return;
    if (this.#watching === 'comparing' && isReply && frame.type === 'snapshot') this.#compare(frame);
    this.#watching = this.#watching === 'comparing' && !isReply ? 'comparing' : 'yes';
    if (this.map.fold(frame) !== 'gap') return;
    // These runs have no faults that could explain a gap.
    this.#options.tally.count('unexpected', 'gap');
    void this.watch();
  }

  #compare({ epoch, seq, held, booked }: SnapshotFrame): void {
    const { position } = this.map;
    // The snapshot may be ahead by changes that reach the followed map with the next tick. Then they cannot be compared.
    if (position?.epoch !== epoch || position.seq !== seq) return;
    const same = (seats: readonly string[], state: SeatState) =>
      seats.length === this.map.count(state) && seats.every((id) => this.map.stateOf(id) === state);
    const isRight = same(held, 'held') && same(booked, 'booked');
    this.#options.tally.count(isRight ? 'expected' : 'unexpected', isRight ? 'map_is_right' : 'map_is_wrong');
  }

  #somethingWithin(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#wakers.delete(finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      this.#wakers.add(finish);
    });
  }

  #wake(): void {
    for (const waker of [...this.#wakers]) waker();
  }
}
