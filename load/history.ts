/**
 * What the clients of a run saw, as JSON lines: one file per client process, in the order in which it happened there.
 * Times are milliseconds of the machine's monotonic clock, so lines of all processes of one machine compare.
 * Secrets are hashed before they are written; a session's hash is the same wherever it appears.
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

/** One socket, opened once: a client that comes back is another one. Unique over all files of the run. */
const client = z.string().min(1);

/** A map as a client that asks for it at the end is told. */
const endMap = z.strictObject({
  showId: z.string(),
  epoch: z.string(),
  seq: z.int(),
  held: z.array(z.string()),
  booked: z.array(z.string()),
});
export type EndMap = z.infer<typeof endMap>;

const line = z.discriminatedUnion('kind', [
  /** `pushes: false`: its pushed snapshots and deltas are not written down, so its map cannot be followed. */
  at('open', { client, pushes: z.boolean() }),
  /** Just before the frame was handed to the socket. */
  at('invoke', { client, frame: clientFrame }),
  /** A frame with an id: the reply to the invoke of the same client and id. */
  at('return', { client, frame: serverFrame }),
  at('push', { client, frame: serverFrame }),
  /** The client is about to end its socket, one way or another: from now on the server may let its leases go. */
  at('closing', { client }),
  at('close', { client, code: z.int() }),
  /**
   * Something was done to the stores between `ms` and `untilMs`. `forgets`: leases may have been lost, of these seats,
   * of this show, or (without either) of all. `prolongsMs`: a clock was wrong, or the
   * ends of leases were forgotten: those of the time may have lasted so much longer. `touches`: what else may have
   * suffered; leases that ended before their time are excused by no other fault (absent: `leases`), frames that never
   * came by none that leaves `sockets` alone.
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
  /** The maps once everything had settled. */
  at('end', { maps: z.array(endMap) }),
]);
export type HistoryLine = z.infer<typeof line>;
type LineOf<Kind extends HistoryLine['kind']> = Extract<HistoryLine, { kind: Kind }>;
export type FaultLine = LineOf<'fault'>;

const parser = z.compile(line);

/** Machine-wide on Linux (CLOCK_MONOTONIC), in milliseconds with microseconds behind the point. */
export function machineMs(): number {
  return Number(process.hrtime.bigint() / 1_000n) / 1_000;
}

const FLUSH_CHARS = 64 * 1024;
const FLUSH_MS = 200;

/**
 * Writes one process' file `<dir>/<name>.jsonl`. Lines are gathered and written synchronously, 64 KiB at once: the
 * page cache takes that in microseconds, and nothing is lost in a process that ends without waiting.
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

  /** Call it before the frame goes out, so that its effect cannot come first. */
  sent(client: string, frame: ClientFrame): void {
    this.#write({ kind: 'invoke', ms: machineMs(), client, frame: this.#veilSent(frame) });
  }

  /** Call it with every frame, first thing. Of a client without `pushes`, pushed maps may be left out. */
  received(client: string, frame: ServerFrame): void {
    const kind = 'id' in frame && frame.id !== undefined ? 'return' : 'push';
    this.#write({ kind, ms: machineMs(), client, frame: this.#veilReceived(frame) });
  }

  /**
   * Call it before the socket is closed or terminated from this side. Without it nothing is known of the client's
   * leases after the last frame that it sent.
   */
  closing(client: string): void {
    this.#write({ kind: 'closing', ms: machineMs(), client });
  }

  closed(client: string, code: number): void {
    this.#write({ kind: 'close', ms: machineMs(), client, code });
  }

  /** `ms` is from before the fault began (`machineMs()`); now it is over. */
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

  /** As long as a token and of the same letters, so that the frame keeps its form. */
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
 * The lines of one file in their order, some at a time: a file is never in memory as a whole. Throws, with file and
 * line number, on a line that is no line of a history; a last line that was cut off is left out.
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
