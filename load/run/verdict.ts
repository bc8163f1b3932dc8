import { z } from 'zod';
import type { Performance } from './artillery.ts';
import type { Judgement } from './check.ts';
import type { Scenario } from './scenario.ts';

export interface Outcomes {
  readonly expected: Readonly<Record<string, number>>;
  readonly unexpected: Readonly<Record<string, number>>;
  /** Requests without an answer, and failed connections. */
  readonly failed: Readonly<Record<string, number>>;
}

export type Verdict = 'clean' | 'violations' | 'unexpected' | 'void';

export interface Facts {
  readonly performance: Performance;
  readonly judgement: Judgement;
  /** Locks that the liar deleted. */
  readonly lies: number;
  readonly granted: number;
  /** Set if the watcher lost its connection. */
  readonly watcherLost?: string | undefined;
}

/** What the flows counted, sorted by the beginning of the names (flows/tally.ts). */
export function outcomesOf({ counters }: Performance): Outcomes {
  const of = (sort: string) =>
    Object.fromEntries(
      Object.entries(counters)
        .filter(([name]) => name.startsWith(`${sort}.`))
        .map(([name, count]) => [name.slice(sort.length + 1), count] as const)
        .sort(([, a], [, b]) => b - a),
    );
  // Errors that Artillery itself counted are never expected.
  return {
    expected: of('expected'),
    unexpected: of('unexpected'),
    failed: { ...of('failed'), ...of('errors') },
  };
}

export const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

const created = z.number().catch(0);

/** The reasons why the run proves nothing, if there are any: for example, because nothing was ever granted. */
export function reasonsForVoid(scenario: Scenario, facts: Facts): string[] {
  const { performance, lies, granted, watcherLost } = facts;
  const { users, lieEveryMs } = scenario.variables;
  const came = created.parse(performance.counters['vusers.created']);
  const reasons: string[] = [];
  if (performance.exitCode !== 0)
    reasons.push(`Artillery ended with ${performance.exitCode}: ${lastLine(performance.said)}`);
  if (came < users) reasons.push(`${came} of ${users} users came`);
  if (granted === 0) reasons.push('nobody was ever granted anything');
  if (lieEveryMs > 0 && lies === 0) reasons.push('the liar never found a lock to delete');
  if (watcherLost !== undefined) reasons.push(`the watcher lost its connection: ${watcherLost}`);
  return reasons;
}

export function verdictOf(scenario: Scenario, facts: Facts): Verdict {
  if (facts.judgement.total > 0) return 'violations';
  const { unexpected, failed } = outcomesOf(facts.performance);
  if (total(unexpected) + total(failed) > 0) return 'unexpected';
  return reasonsForVoid(scenario, facts).length > 0 ? 'void' : 'clean';
}

const lastLine = (said: string): string => said.trim().split('\n').at(-1) ?? '';
