import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What is counted during a run. A line of a history contains at most one of these texts. */
const signs = {
  users: '"type":"welcome"',
  granted: '"type":"held"',
  refused: '"code":"seat_unavailable"',
  booked: '"type":"confirmed"',
};
export type Counts = Record<keyof typeof signs, number>;

const CHUNK_BYTES = 1024 * 1024;
/** How much is read at a time. If more is written, only the progress that is shown falls behind. */
const MOST_CHUNKS = 16;

/** Reads what has been added to the histories since the last time, to show the progress. */
export class HistoryTail {
  readonly counts: Counts = { users: 0, granted: 0, refused: 0, booked: 0 };
  readonly #dir: string;
  readonly #readBytes = new Map<string, number>();
  readonly #buffer = Buffer.alloc(CHUNK_BYTES);

  constructor(dir: string) {
    this.#dir = dir;
  }

  async look(): Promise<Counts> {
    const names = await readdir(this.#dir).catch(() => []);
    for (const name of names.filter((file) => file.startsWith('users-'))) this.#read(name);
    return this.counts;
  }

  #read(name: string): void {
    const file = openSync(join(this.#dir, name), 'r');
    try {
      let from = this.#readBytes.get(name) ?? 0;
      for (let chunk = 0; chunk < MOST_CHUNKS && from < fstatSync(file).size; chunk++) {
        const bytes = readSync(file, this.#buffer, 0, CHUNK_BYTES, from);
        const text = this.#buffer.toString('latin1', 0, bytes);
        // An incomplete last line is read again the next time.
        const whole = text.lastIndexOf('\n') + 1;
        if (whole === 0) break;
        this.#count(text.slice(0, whole));
        from += whole;
      }
      this.#readBytes.set(name, from);
    } finally {
      closeSync(file);
    }
  }

  #count(text: string): void {
    for (const [what, sign] of Object.entries(signs)) {
      let many = 0;
      for (let at = text.indexOf(sign); at >= 0; at = text.indexOf(sign, at + sign.length)) many++;
      this.counts[what as keyof Counts] += many;
    }
  }
}
