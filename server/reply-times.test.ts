import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { readConfig } from './config.ts';
import { replyTimes } from './reply-times.ts';

const read = readConfig({});
if (!read.ok) throw new Error(read.problems.join('\n'));
const { holdMs, confirmMs } = replyTimes(read.config);

it('the manual says by when an answer is there', () => {
  const manual = readFileSync(new URL('OPERATIONS.md', import.meta.url), 'utf8');
  expect(manual).toMatch(new RegExp(`^\\| a hold,.*\\| ${holdMs} ms \\|$`, 'm'));
  expect(manual).toMatch(new RegExp(`^\\| a confirm .*\\| ${confirmMs} ms \\|$`, 'm'));
});

it('a beat is answered, or refused, before the next one is due', () => {
  expect(holdMs).toBeLessThan(read.config.heartbeatMs);
});
