/**
 * Registers a batcher with the metrics.
 * @param waiting returns how many requests wait for the next call of the batcher
 * @returns to be called with the number of requests in each call
 */
export type ObserveBatches = (name: string, waiting: () => number) => (requests: number) => void;

/** For batchers without metrics. */
export const unobserved: ObserveBatches = () => () => {};
