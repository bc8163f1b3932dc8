import type { ErrorFrame, ServerFrame } from '../../protocol/index.ts';

/** The part of Artillery that takes custom metrics. */
export interface Metrics {
  emit(kind: 'counter' | 'histogram', name: string, value: number): void;
}

export type Refusal = ErrorFrame['code'];
type Sort = 'expected' | 'unexpected' | 'failed';

/**
 * Counts outcomes. `expected`: what the scenario is about, including its refusals. `unexpected`: answers that it should never get.
 * `failed`: no answer at all.
 */
export class Tally {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  count(sort: Sort, name: string): void {
    this.#metrics.emit('counter', `${sort}.${name}`, 1);
  }

  /** @param allowed refusals that the scenario expects */
  reply(asked: string, reply: ServerFrame, allowed: readonly Refusal[], tookMs: number): void {
    this.#metrics.emit('histogram', `took.${asked}`, tookMs);
    if (reply.type !== 'error') this.count('expected', reply.type);
    else this.count(allowed.includes(reply.code) ? 'expected' : 'unexpected', `${asked}.${reply.code}`);
  }
}
