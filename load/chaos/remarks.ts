import type { Judged } from './judge.ts';

/** What the result of a row must contain beside what its histories show. */
export class Remarks {
  readonly problems: string[] = [];
  /** What could not be judged, and why. */
  readonly notJudged: string[] = [];

  problem(what: string): void {
    this.problems.push(what);
  }

  judged(verdict: Judged): void {
    if (verdict === undefined) return;
    if ('problem' in verdict) this.problems.push(verdict.problem);
    else this.notJudged.push(verdict.notJudged);
  }
}
