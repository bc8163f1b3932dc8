import { randomUUID } from 'node:crypto';
import { SeatMap } from '../../../protocol/client/seat-map.ts';
import type { ServerFrame } from '../../../protocol/index.ts';
import { Connection, openSocket, type Request } from '../../flows/connection.ts';
import type { HistoryRecorder } from '../../history.ts';

/** A client that belongs to a fault and not to the players. It records its history, too. */
export class Guest {
  /** The map of the show that it watches. */
  readonly map = new SeatMap();
  readonly #recorder: HistoryRecorder;
  readonly #name: string;
  #connection: Connection | undefined;

  private constructor(recorder: HistoryRecorder, name: string) {
    this.#recorder = recorder;
    this.#name = name;
  }

  /** Rejects if the server refuses it. @param name unique among all clients of a row */
  static async join(recorder: HistoryRecorder, ws: string, name: string): Promise<Guest> {
    const socket = await openSocket(ws);
    if (socket === undefined) throw new Error(`${ws} lets ${name} not in`);
    const guest = new Guest(recorder, name);
    const hears = { onFrame: (frame: ServerFrame) => guest.#hears(frame), onLost: () => undefined };
    guest.#connection = new Connection(socket, { recorder, name, pushes: false, ...hears });
    const welcome = await guest.ask({ type: 'hello', userId: randomUUID() });
    if (welcome?.type !== 'welcome') throw new Error(`${ws} does not welcome ${name}`);
    return guest;
  }

  /** Resolves with undefined if there was no reply. */
  async ask(request: Request): Promise<ServerFrame | undefined> {
    return this.#connection?.ask(request);
  }

  async leave(): Promise<void> {
    this.#recorder.closing(this.#name);
    await this.#connection?.close();
  }

  #hears(frame: ServerFrame): void {
    if (frame.type !== 'snapshot' && frame.type !== 'delta') return;
    if (this.map.fold(frame) !== 'gap') return;
    const since = this.map.position;
    void this.ask({ type: 'watch', showId: frame.showId, ...(since === undefined ? {} : { since }) });
  }
}
