import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { Closers } from '../../server/closers.ts';
import { leftBehind, soak } from './campaign.ts';

const MINUTES = 0.1;

it('customers come and go for some seconds: nothing is left of them, and the judge finds nothing', async () => {
  const closers = new Closers();
  onTestFinished(() => closers.close());
  const dir = await mkdtemp(join(tmpdir(), 'rowlock-soak-'));
  closers.opened(dir, (path) => rm(path, { recursive: true, force: true }));
  // Another seed for each run. A failure names it.
  const seed = Math.floor(Math.random() * 2 ** 30);
  const facts = await soak({ minutes: MINUTES, seed, dir }, { closers, say: () => undefined });

  expect(facts.verdict.violations, `--seed ${seed}`).toEqual([]);
  expect(leftBehind(facts.before, facts.after)).toEqual([]);
  // The run has really done something, and was measured.
  for (const answer of ['held', 'confirmed', 'refunded', 'welcome'])
    expect(facts.outcomes[`expected.${answer}`] ?? 0).toBeGreaterThan(0);
  for (const sample of facts.samples)
    for (const value of Object.values(sample)) expect(value).toBeGreaterThan(0);
}, 90_000);
