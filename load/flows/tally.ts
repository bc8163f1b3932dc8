import type { ErrorFrame, ServerFrame } from '../../protocol/index.ts';

/** Artillery's emitter for own metrics. */
export interface Metrics {
  emit(kind: 'counter' | 'histogram', name: string, value: number): void;
}

export type Refusal = ErrorFrame['code'];
type Sort = 'expected' | 'unexpected' | 'failed';

/**
 * Counts outcomes in three sorts: what the scenario is about, refusals included; answers that it has no room for; and
 * what is no answer at all.
 */
export class Tally {
  readonly #metrics: Metrics;

  constructor(metrics: Metrics) {
    this.#metrics = metrics;
  }

  count(sort: Sort, name: string): void {
    this.#metrics.emit('counter', `${sort}.${name}`, 1);
  }

  /** The reply to `asked`, where these refusals are part of the game. */
  reply(asked: string, reply: ServerFrame, allowed: readonly Refusal[], tookMs: number): void {
    this.#metrics.emit('histogram', `took.${asked}`, tookMs);
    if (reply.type !== 'error') this.count('expected', reply.type);
    else this.count(allowed.includes(reply.code) ? 'expected' : 'unexpected', `${asked}.${reply.code}`);
  }
}
