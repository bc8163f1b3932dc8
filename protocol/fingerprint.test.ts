import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { clientFrame } from './client-frames.ts';
import { serverFrame } from './server-frames.ts';
import { protocolVersion, subprotocol, wireFingerprint } from './version.ts';

const whatToDo = `The frames have changed.
By accident: take the change back.
On purpose: clients of version ${protocolVersion} must not meet it unprepared. Raise protocolVersion and subprotocol in
version.ts, describe the change in README.md, and pin the new fingerprint in version.ts.
After an update of zod alone, when only the spelling of its JSON schemas differs: pin the new fingerprint.`;

/** JSON with sorted keys: one text for one schema. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([key, field]) => `${JSON.stringify(key)}:${canonical(field)}`).join(',')}}`;
}

test('the wire is the one that was pinned', () => {
  const schemas = [clientFrame, serverFrame].map((union) => z.toJSONSchema(union, { io: 'input' }));
  const fingerprint = createHash('sha256').update(canonical(schemas)).digest('hex');
  expect(fingerprint, whatToDo).toBe(wireFingerprint);
});

test('the subprotocol names the version', () => {
  expect(subprotocol).toBe(`rowlock.v${protocolVersion}`);
});
