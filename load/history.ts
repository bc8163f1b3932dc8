/**
 * What the clients of a run saw, as JSON lines: one file for each client process, in the order in which things happened there.
 * Times are milliseconds of the machine's monotonic clock, so those of all processes of a machine can be compared. Secrets are
 * written as hashes; a session has the same hash wherever it appears.
 */
import { createHash } from 'node:crypto';
import { closeSync, createReadStream, mkdirSync, openSync, writeSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { type ClientFrame, clientFrame, type ServerFrame, serverFrame } from '../protocol/index.ts';

const ms = z.number().min(0);
const at = <Kind extends string, Fields extends z.ZodRawShape>(kind: Kind, fields: Fields) =>
  z.strictObject({ kind: z.literal(kind), ms, ...fields });

/** The name of one socket, unique in all files of the run. A client that comes back has another one. */
const client = z.string().min(1);

/** A seat map, as the server told it at the end of a run. */
const endMap = z.strictObject({
  showId: z.string(),
  epoch: z.string(),
  seq: z.int(),
  held: z.array(z.string()),
  booked: z.array(z.string()),
});
export type EndMap = z.infer<typeof endMap>;

const line = z.discriminatedUnion('kind', [
  /** `pushes: false`: pushed snapshots and deltas of this client are not recorded, so its map cannot be checked. */
  at('open', { client, pushes: z.boolean() }),
  /** Recorded just before the frame is sent. */
  at('invoke', { client, frame: clientFrame }),
  /** A frame with an id: the reply to the `invoke` of the same client with the same id. */
  at('return', { client, frame: serverFrame }),
  at('push', { client, frame: serverFrame }),
  /** The client is about to close or cut its socket. From now on the server may end its leases. */
  at('closing', { client }),
  at('close', { client, code: z.int() }),
  /**
   * A fault between `ms` and `untilMs`. `forgets`: leases may have been lost, those of these seats, of this show or, without
   * either, all. `prolongsMs`: because a clock was wrong, or the ends of leases were forgotten, leases of that time may have
   * lasted so much longer. `touches`: what else the fault may have caused. Only a fault that touches `leases` (the default)
   * excuses leases that ended too early, and only one that touches `sockets` excuses frames that never arrived.
   */
  at('fault', {
    untilMs: ms,
    name: z.string(),
    forgets: z.boolean(),
    prolongsMs: ms.exactOptional(),
    touches: z.array(z.enum(['leases', 'sockets'])).exactOptional(),
    showId: z.string().exactOptional(),
    seatIds: z.array(z.string()).exactOptional(),
  }),
  /** The maps after everything had settled. */
  at('end', { maps: z.array(endMap) }),
]);
export type HistoryLine = z.infer<typeof line>;
type LineOf<Kind extends HistoryLine['kind']> = Extract<HistoryLine, { kind: Kind }>;
export type FaultLine = LineOf<'fault'>;

const parser = z.compile(line);

/** Milliseconds, to the microsecond, of a clock that all processes of the machine share (CLOCK_MONOTONIC on Linux). */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

const FLUSH_CHARS = 64 * 1024;
const FLUSH_MS = 200;

/**
 * Writes the file of one process, `<dir>/<name>.jsonl`. Lines are written synchronously, 64 KiB at a time: that takes only
 * microseconds, and nothing is lost if the process ends without waiting.
 */
export class HistoryRecorder {
  readonly #file: number;
  readonly #timer: NodeJS.Timeout;
  readonly #hashes = new Map<string, string>();
  readonly #atExit = () => this.close();
  #pending = '';
  #closed = false;

  constructor(dir: string, name: string) {
    mkdirSync(dir, { recursive: true });
    this.#file = openSync(join(dir, `${name}.jsonl`), 'a');
    this.#timer = setInterval(() => this.flush(), FLUSH_MS).unref();
    process.once('exit', this.#atExit);
  }

  opened(client: string, { pushes = true } = {}): void {
    this.#write({ kind: 'open', ms: machineMs(), client, pushes });
  }

  /** Must be called before the frame is sent, so that no effect of it can be recorded earlier. */
  sent(client: string, frame: ClientFrame): void {
    this.#write({ kind: 'invoke', ms: machineMs(), client, frame: this.#veilSent(frame) });
  }

  /** Must be called with every frame before anything else is done with it; without `pushes` only with replies and other pushes. */
  received(client: string, frame: ServerFrame): void {
    const kind = 'id' in frame && frame.id !== undefined ? 'return' : 'push';
    this.#write({ kind, ms: machineMs(), client, frame: this.#veilReceived(frame) });
  }

  /**
   * Must be called before the client closes or cuts its socket. Without it nothing is known about its leases after the last frame
   * that it sent.
   */
  closing(client: string): void {
    this.#write({ kind: 'closing', ms: machineMs(), client });
  }

  closed(client: string, code: number): void {
    this.#write({ kind: 'close', ms: machineMs(), client, code });
  }

  /** To be called when the fault is over. `ms` is the time before it began (`machineMs()`). */
  fault(fault: Omit<FaultLine, 'kind' | 'untilMs'>): void {
    this.#write({ kind: 'fault', untilMs: machineMs(), ...fault });
  }

  end(maps: readonly EndMap[]): void {
    this.#write({ kind: 'end', ms: machineMs(), maps: [...maps] });
  }

  flush(): void {
    if (this.#closed || this.#pending === '') return;
    const bytes = Buffer.from(this.#pending);
    this.#pending = '';
    for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written);
  }

  close(): void {
    if (this.#closed) return;
    this.flush();
    this.#closed = true;
    clearInterval(this.#timer);
    process.off('exit', this.#atExit);
    closeSync(this.#file);
  }

  #write(entry: HistoryLine): void {
    if (this.#closed) return;
    this.#pending += `${JSON.stringify(entry)}\n`;
    if (this.#pending.length >= FLUSH_CHARS) this.flush();
  }

  #veilSent(frame: ClientFrame): ClientFrame {
    if (frame.type !== 'hello') return frame;
    const veiled = { ...frame };
    if (veiled.session !== undefined) veiled.session = this.#hash(veiled.session);
    if (veiled.token !== undefined) veiled.token = this.#hash(veiled.token);
    return veiled;
  }

  #veilReceived(frame: ServerFrame): ServerFrame {
    return frame.type === 'welcome' ? { ...frame, session: this.#hash(frame.session) } : frame;
  }

  /** The hash has the length and the alphabet of a session, so that the frame still matches its schema. */
  #hash(secret: string): string {
    const known = this.#hashes.get(secret);
    if (known !== undefined) return known;
    const hash = createHash('sha256').update(secret).digest('base64url');
    if (this.#hashes.size >= 10_000) this.#hashes.clear();
    this.#hashes.set(secret, hash);
    return hash;
  }
}

/** The files of a run, sorted by name. */
export async function historyFiles(dir: string): Promise<string[]> {
  const names = await readdir(dir);
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .sort()
    .map((name) => join(dir, name));
}

/**
 * The lines of one file in their order, in parts, so that the file is never in memory as a whole. Throws, with file and line
 * number, if a line is not valid. A last line that was cut off is ignored.
 */
export async function* readHistory(file: string): AsyncGenerator<HistoryLine[]> {
  let rest = '';
  let number = 0;
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 1024 * 1024 })) {
    const texts = `${rest}${String(chunk)}`.split('\n');
    rest = texts.pop() ?? '';
    yield texts.map((text) => parseLine(text, file, ++number));
  }
}

function parseLine(text: string, file: string, number: number): HistoryLine {
  try {
    return parser.parse(JSON.parse(text));
  } catch (error) {
    throw new Error(`${file}:${number} is no line of a history: ${String(error).slice(0, 300)}`);
  }
}
