import type { RenewedFrame } from '../server-frames.ts';
import type { Link } from './link.ts';
import { after, nowMs } from './timing.ts';

export interface HeartbeatOptions {
  link(): Link | undefined;
  /** The interval that the server asks for. */
  heartbeatMs(): number;
  /** The shortest TTL of the leases that heartbeats keep; undefined: there are none. */
  shortestTtlMs(): number | undefined;
  /** Grows with every change of the leases. */
  mark(): number;
  renewed(frame: RenewedFrame, mark: number, sentMs: number): void;
}

/**
 * Without leases there is nothing to renew, but a connection that died silently looks like a show without changes: after this
 * time without a frame, a heartbeat checks the connection.
 */
const QUIET_MS = 25_000;
/** Before the next try of a heartbeat that could not be sent: it is late already. */
const SOON_MS = 500;

/** Keeps the session's leases alive, and notices a dead connection. */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #cancel: (() => void) | undefined;
  #link: Link | undefined;
  #isUnderWay = false;
  #lastMs = 0;
  /** A refused heartbeat is due again at once, but not before the server said. */
  #notBeforeMs = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  /** Uses this link from now on. Hello has just renewed everything. */
  welcomed(link: Link): void {
    this.#link = link;
    this.#isUnderWay = false;
    this.#lastMs = nowMs();
    this.#notBeforeMs = 0;
    this.plan();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#link = undefined;
  }

  /** Call it when the leases changed: a shorter TTL needs its heartbeat sooner. */
  plan(): void {
    this.#cancel?.();
    if (this.#link === undefined || this.#isUnderWay) return;
    this.#cancel = after(this.#dueAtMs(this.#link) - nowMs(), () => this.#beatIfDue());
  }

  #dueAtMs({ heardAtMs }: Link): number {
    const shortestTtlMs = this.#options.shortestTtlMs();
    if (shortestTtlMs === undefined) return Math.max(heardAtMs, this.#lastMs) + QUIET_MS;
    const wantedMs = this.#lastMs + Math.min(this.#options.heartbeatMs(), shortestTtlMs / 3);
    return Math.max(wantedMs, this.#notBeforeMs);
  }

  #beatIfDue(): void {
    const link = this.#link;
    if (link === undefined) return;
    // Hello is under way on another connection, which renews everything if it succeeds.
    if (this.#options.link() !== link) this.#cancel = after(SOON_MS, () => this.#beatIfDue());
    // Frames that arrived meanwhile have postponed it.
    else if (nowMs() < this.#dueAtMs(link)) this.plan();
    else this.#beat(link);
  }

  #beat(link: Link): void {
    this.#isUnderWay = true;
    const sentMs = nowMs();
    const mark = this.#options.mark();
    this.#lastMs = sentMs;
    link.ask(
      { type: 'heartbeat' },
      {
        onReply: (frame) => {
          if (link !== this.#link) return;
          this.#isUnderWay = false;
          if (frame.type === 'renewed') this.#options.renewed(frame, mark, sentMs);
          else if (frame.type === 'error' && frame.retryable) {
            const retryInMs = 'retryInMs' in frame ? frame.retryInMs : undefined;
            this.#lastMs = Number.NEGATIVE_INFINITY;
            this.#notBeforeMs = nowMs() + (retryInMs ?? SOON_MS);
          }
          this.plan();
        },
        onBroken: () => undefined,
      },
    );
  }
}
