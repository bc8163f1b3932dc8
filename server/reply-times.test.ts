import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { limits } from '../protocol/index.ts';
import { readConfig } from './config.ts';
import { replyTimes } from './reply-times.ts';

const read = readConfig({});
if (!read.ok) throw new Error(read.problems.join('\n'));
const times = replyTimes(read.config);

it.each([
  ['`hello`', times.helloMs],
  ['`watch`', times.watchMs],
  ['`hold`', times.holdMs],
  ['`confirm`', times.confirmMs],
  ['`GET /shows`', times.catalogueMs],
  ['`GET /shows/:showId/seats`', times.seatsMs],
  ['`GET /bookings/:requestId`', times.findMs],
  ['`DELETE /bookings/:requestId`', times.refundMs],
  ['`GET /readyz`', times.readinessMs],
])('the manual says by when a %s is answered', (request, ms) => {
  const manual = readFileSync(new URL('OPERATIONS.md', import.meta.url), 'utf8');
  const row = manual.split('\n').find((line) => line.startsWith(`| ${request}`));
  expect(row).toMatch(new RegExp(`\\| ${ms} ms \\|$`));
});

it('the manual says by when a show is made', () => {
  const manual = readFileSync(new URL('OPERATIONS.md', import.meta.url), 'utf8');
  const [small, large] = [times.createMs(0), times.createMs(limits.maxSeatsPerShow)];
  expect(manual).toMatch(new RegExp(`^\\| .POST /shows.*\\| ${small} to ${large} ms \\|$`, 'm'));
});

it('a beat is answered, or refused, before the next one is due', () => {
  expect(times.holdMs).toBeLessThan(read.config.heartbeatMs);
});
