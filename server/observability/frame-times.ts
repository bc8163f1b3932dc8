import type { Histogram } from 'prom-client';
import { monotonicMs } from '../clock.ts';

/**
 * One in so many frames is timed, because timing takes 3 µs, and parsing a hold only 1.2. The number is prime, so that clients
 * that repeat a pattern of frames get each frame of the pattern timed.
 */
const ONE_IN = 17;

type Stage = 'parse' | 'reply';

/** Picks the frames that are timed. */
export class FrameTimes {
  readonly #frames: Histogram<'type'>;
  readonly #stages: Histogram<'stage'>;
  #count = 0;

  constructor(frames: Histogram<'type'>, stages: Histogram<'stage'>) {
    this.#frames = frames;
    this.#stages = stages;
  }

  /** Undefined: this frame is not timed. Call it before the frame is parsed. */
  begin(): FrameTiming | undefined {
    this.#count += 1;
    if (this.#count < ONE_IN) return undefined;
    this.#count = 0;
    return new FrameTiming(this.#frames, this.#stages);
  }
}

/** Times the stages of one frame: parse and reply. Between them it waits for the stores, which have histograms of their own. */
export class FrameTiming {
  readonly #frames: Histogram<'type'>;
  readonly #stages: Histogram<'stage'>;
  readonly #beganMs = monotonicMs();
  #replyingMs = 0;

  constructor(frames: Histogram<'type'>, stages: Histogram<'stage'>) {
    this.#frames = frames;
    this.#stages = stages;
  }

  parsed(): void {
    this.#stage('parse', monotonicMs() - this.#beganMs);
  }

  /** The frame was served. Its reply is about to be encoded and sent. */
  replying(): void {
    this.#replyingMs = monotonicMs();
  }

  replied(type: string): void {
    const nowMs = monotonicMs();
    this.#stage('reply', nowMs - this.#replyingMs);
    this.#frames.observe({ type }, (nowMs - this.#beganMs) / 1000);
  }

  #stage(stage: Stage, tookMs: number): void {
    this.#stages.observe({ stage }, tookMs / 1000);
  }
}
