import { setTimeout as pause } from 'node:timers/promises';
import { SeatMap } from '../../protocol/client/seat-map.ts';
import type { ServerFrame } from '../../protocol/index.ts';
import { Connection, openSocket } from '../flows/connection.ts';
import { type HistoryRecorder, machineMs } from '../history.ts';

/** Longer than the longest lease that users abandon, plus a sweep. */
const SETTLES_WITHIN_MS = 12_000;
const LOOK_EVERY_MS = 200;

/** Watches the show and records every frame, from before the first user arrives until nothing happens any more. */
export class Watcher {
  readonly map = new SeatMap();
  readonly #showId: string;
  readonly #connection: Connection;
  readonly #recorder: HistoryRecorder;
  /** Set if the server closed its connection: then its history is incomplete. */
  lost: string | undefined;

  private constructor(
    socket: ConstructorParameters<typeof Connection>[0],
    showId: string,
    recorder: HistoryRecorder,
    name: string,
  ) {
    this.#showId = showId;
    this.#recorder = recorder;
    this.#connection = new Connection(socket, {
      recorder,
      name,
      pushes: true,
      onFrame: (frame) => this.#received(frame),
      onLost: (why) => {
        this.lost = why;
      },
    });
  }

  /** @param name unique in all files of the run */
  static async start(
    url: string,
    showId: string,
    recorder: HistoryRecorder,
    name = 'watcher',
  ): Promise<Watcher> {
    const socket = await openSocket(url);
    if (socket === undefined) throw new Error(`no WebSocket at ${url}`);
    const watcher = new Watcher(socket, showId, recorder, name);
    const welcome = await watcher.#connection.ask({ type: 'hello' });
    if (welcome?.type !== 'welcome') throw new Error(`no welcome from ${url}: ${JSON.stringify(welcome)}`);
    if (!(await watcher.#look())) throw new Error(`the watcher cannot watch ${showId}`);
    return watcher;
  }

  /** Waits until nothing is held any more, and then records the map. */
  async end(): Promise<void> {
    const endMs = machineMs() + SETTLES_WITHIN_MS;
    while (this.map.count('held') > 0 && machineMs() < endMs) await pause(LOOK_EVERY_MS);
    // The server's sweep or look may still have something to correct.
    await pause(LOOK_EVERY_MS);
    const reply = await this.#look();
    if (reply?.type === 'snapshot') {
      const { showId, epoch, seq, held, booked } = reply;
      this.#recorder.end([{ showId, epoch, seq, held, booked }]);
    }
    await this.#connection.close();
  }

  async stop(): Promise<void> {
    await this.#connection.close();
  }

  async #look(): Promise<ServerFrame | undefined> {
    const reply = await this.#connection.ask({ type: 'watch', showId: this.#showId });
    return reply?.type === 'snapshot' ? reply : undefined;
  }

  #received(frame: ServerFrame): void {
    if (frame.type !== 'snapshot' && frame.type !== 'delta') return;
    if (this.map.fold(frame) !== 'gap') return;
    // Not counted here: the checker finds the gap in the history.
    const since = this.map.position;
    void this.#connection.ask({ type: 'watch', showId: this.#showId, ...(since ? { since } : {}) });
  }
}
