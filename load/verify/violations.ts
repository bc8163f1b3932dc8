/** The invariants of a run. Violations are reported under these names. */
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
  /** One sentence that says what went wrong and names the seats. */
  readonly what: string;
  /** The operations or rows that are involved. */
  readonly operations: readonly string[];
}

/** A broken rule may have millions of cases. Only the first ones are kept, the others are counted. */
const KEPT_PER_KIND = 20;

/** Collects violations, in bounded memory. */
export class Findings {
  readonly violations: Violation[] = [];
  readonly #counts = new Map<string, { rule: Rule; count: number }>();

  /** @param kind the name of this kind of violation, such as `double_booking` */
  add(kind: string, violation: Violation): void {
    const { rule } = violation;
    const known = this.#counts.get(kind) ?? { rule, count: 0 };
    known.count += 1;
    this.#counts.set(kind, known);
    if (known.count <= KEPT_PER_KIND) this.violations.push(violation);
  }

  /** Whether another case of this kind would be kept. If not, it need not be described, which takes longer than finding it. */
  keeps(kind: string): boolean {
    return (this.#counts.get(kind)?.count ?? 0) < KEPT_PER_KIND;
  }

  /** The number of cases of each kind, including those that were not kept. */
  get kinds(): Record<string, { rule: Rule; count: number }> {
    return Object.fromEntries(this.#counts);
  }

  get total(): number {
    let total = 0;
    for (const { count } of this.#counts.values()) total += count;
    return total;
  }
}
