import type { HttpResponse } from 'uWebSockets.js';
import { fault, type Outcome } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import type { BodyLimits } from '../limits.ts';

/** Undefined: the client left, so no answer is needed. */
export type ReadBody = Outcome<{ bytes: Uint8Array }> | undefined;

const FIRST_BUFFER_BYTES = 4096;

/**
 * Collects the body of one request within limits of size and time. It listens from the constructor on, because uWebSockets.js
 * throws away what arrives while nobody listens.
 */
export class BodyReader {
  readonly whole: Promise<ReadBody>;
  readonly #limits: BodyLimits;
  readonly #endsMs: number;
  readonly #total: NodeJS.Timeout;
  readonly #stall: NodeJS.Timeout;
  #bytes = new Uint8Array(0);
  #size = 0;
  /** The last byte has arrived, even if the body was given up before. */
  #arrived = false;
  #finish: ((body: ReadBody) => void) | undefined;

  constructor(res: HttpResponse, limits: BodyLimits) {
    this.#limits = limits;
    this.#endsMs = monotonicMs() + limits.totalMs;
    this.#total = setTimeout(() => this.#late(), limits.totalMs);
    this.#stall = setTimeout(() => this.#late(), limits.stallMs);
    this.whole = new Promise((resolve) => {
      this.#finish = resolve;
    });
    res.onData((chunk, isLast) => this.#data(chunk, isLast));
  }

  get arrived(): boolean {
    return this.#arrived;
  }

  /** The client has left. */
  leave(): void {
    this.#end(undefined);
  }

  #data(chunk: ArrayBuffer, isLast: boolean): void {
    this.#arrived ||= isLast;
    if (this.#finish === undefined) return;
    if (this.#size + chunk.byteLength > this.#limits.maxBytes) {
      this.#end({ ok: false, fault: fault('too_large') });
    } else if (monotonicMs() > this.#endsMs) {
      this.#late();
    } else {
      this.#append(chunk);
      if (isLast) this.#end({ ok: true, bytes: this.#bytes.subarray(0, this.#size) });
      else this.#stall.refresh();
    }
  }

  /** The buffer grows by doubling, so that a body in tiny chunks takes no more memory than one in large chunks. */
  #append(chunk: ArrayBuffer): void {
    const needed = this.#size + chunk.byteLength;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2, FIRST_BUFFER_BYTES));
      larger.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = larger;
    }
    // Copied, because the chunk is memory of uWebSockets.js and no longer valid after this callback.
    this.#bytes.set(new Uint8Array(chunk), this.#size);
    this.#size = needed;
  }

  #late(): void {
    this.#end({ ok: false, fault: fault('timed_out') });
  }

  #end(body: ReadBody): void {
    clearTimeout(this.#total);
    clearTimeout(this.#stall);
    this.#finish?.(body);
    this.#finish = undefined;
    this.#bytes = new Uint8Array(0);
  }
}
