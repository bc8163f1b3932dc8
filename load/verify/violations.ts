/** The invariants of a run, by the names under which a violation is reported. */
export const rules = {
  I1: 'at most one live booking per seat',
  I2: 'one requestId has one final outcome, and every repeat equals it',
  I3: 'all seats of a confirm or none',
  I4: 'what was answered confirmed is in the tables, and only what somebody asked for',
  I5: 'every frame has exactly one reply',
  I6: 'two sessions never both hold a seat; a lease ends by its owner, its time, or a booking',
  I7: 'the maps of watchers converge on the stores, without unnoticed gaps',
} as const;
export type Rule = keyof typeof rules;

export interface Violation {
  readonly rule: Rule;
  /** What went wrong, in one sentence that names the seats. */
  readonly what: string;
  /** The operations involved, or the rows. */
  readonly operations: readonly string[];
}

/** Of one broken rule there may be millions of cases: the first ones tell, the rest is counted. */
const KEPT_PER_KIND = 20;

/** Gathers violations. Bounded. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly #counts = new Map<string, { rule: Rule; count: number }>();

  /** @param kind a name for all cases of this sort, such as `double_booking` */
  add(kind: string, violation: Violation): void {
    const { rule } = violation;
    const known = this.#counts.get(kind) ?? { rule, count: 0 };
    known.count += 1;
    this.#counts.set(kind, known);
    if (known.count <= KEPT_PER_KIND) this.violations.push(violation);
  }

  /** Whether a case of this kind would still be kept: describing millions of them takes longer than finding them. */
  keeps(kind: string): boolean {
    return (this.#counts.get(kind)?.count ?? 0) < KEPT_PER_KIND;
  }

  /** Cases by kind, those that were not kept included. */
  get kinds(): Record<string, { rule: Rule; count: number }> {
    return Object.fromEntries(this.#counts);
  }

  get total(): number {
    let total = 0;
    for (const { count } of this.#counts.values()) total += count;
    return total;
  }
}
