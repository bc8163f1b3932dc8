/**
 * Announces a batcher to the metrics.
 * @param waiting tells how many requests wait for its next call
 * @returns what hears how many requests each call takes
 */
export type ObserveBatches = (name: string, waiting: () => number) => (requests: number) => void;

/** Nobody looks. */
export const unobserved: ObserveBatches = () => () => {};
