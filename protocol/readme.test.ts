import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { closeCodes, mayReconnect } from './close-codes.ts';
import { faultTable } from './faults.ts';
import { goldenClientFrames, goldenErrors, goldenHttp, goldenServerFrames } from './golden.ts';
import { limits } from './limits.ts';
import { protocolVersion, subprotocol } from './version.ts';

const readme = readFileSync(new URL('./README.md', import.meta.url), 'utf8');
const lines = new Set(readme.split('\n'));
/** However its lines are broken. */
const prose = readme.replace(/\s+/g, ' ');

const frames = [
  ...goldenClientFrames.map((frame) => [frame.type, `→ ${JSON.stringify(frame)}`]),
  ...goldenServerFrames.map((frame) => [frame.type, `← ${JSON.stringify(frame)}`]),
  ...goldenErrors.map((frame) => [frame.code, `← ${JSON.stringify(frame)}`]),
] as [string, string][];
const bodies = Object.entries(goldenHttp).flatMap(([call, exchange]) =>
  Object.values(exchange).map((body) => [call, JSON.stringify(body)] as [string, string]),
);

test.each([...frames, ...bodies])('quotes the example of %s as it is', (_name, line) => {
  expect(lines).toContain(line);
});

test('quotes no frame that is not an example', () => {
  const known = new Set(frames.map(([, line]) => line));
  expect([...lines].filter((line) => /^[→←]/.test(line) && !known.has(line))).toEqual([]);
});

test.each(Object.entries(faultTable))('tells status and retryable of %s', (code, row) => {
  const start = `| \`${code}\` | ${row.httpStatus} | ${row.retryable ? 'yes' : 'no'} | `;
  expect([...lines].filter((line) => line.startsWith(start))).toHaveLength(1);
});

test('tells every close code and whether to come back', () => {
  for (const code of Object.values(closeCodes)) {
    expect([...lines].some((line) => line.startsWith(`| ${code} | `))).toBe(true);
    expect(mayReconnect(code)).toBe(code >= 4000 && code < 4500);
  }
  expect([1000, 1001, 1006, 1012].map(mayReconnect)).toEqual([false, true, true, true]);
});

test('tells version and limits as they are', () => {
  expect(lines).toContain(`# The Rowlock protocol, version ${protocolVersion}`);
  expect(prose).toContain(`\`${subprotocol}\``);
  expect(prose).toContain(`at most ${limits.maxFrameBytes / 1024} KiB`);
  expect(prose).toContain(`at most ${limits.maxTokenLength / 1024} KiB`);
  expect(prose).toContain(`give or take ${limits.tokenClockToleranceMs / 1000} s`);
  expect(prose).toContain(`at most ${limits.maxSeatsPerFrame} (\`too_many_seats\`)`);
  expect(prose).toContain(`within ${limits.helloDeadlineMs / 1000} s of connecting`);
  expect(prose).toContain(`waits up to ${limits.sinceWaitMs / 1000} s`);
  expect(prose).toContain(`not read for ${limits.slowReaderMs / 1000} s`);
  expect(prose).toContain(`\`ttlMs\` is at least ${limits.minTtlMs} `);
  expect(prose).toContain(`at most ${limits.maxShowBodyBytes / 1024 / 1024} MiB and 200 000 seats`);
  expect(limits.maxSeatsPerShow).toBe(200_000);
});
