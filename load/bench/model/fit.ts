import type { BatchCost } from './costs.ts';

/** What so many calls with so many requests took together. */
export interface Sample {
  readonly calls: number;
  readonly requests: number;
  readonly us: number;
}

/** The cost of a call and of each request in it, from a sample with small batches and one with large batches. */
export function batchCostOf(small: Sample, large: Sample): BatchCost {
  const determinant = small.calls * large.requests - large.calls * small.requests;
  const callUs = (small.us * large.requests - large.us * small.requests) / determinant;
  const requestUs = (small.calls * large.us - large.calls * small.us) / determinant;
  return { callUs: Math.max(0, callUs), requestUs: Math.max(0, requestUs) };
}
