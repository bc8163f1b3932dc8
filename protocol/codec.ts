/** Text to frames and back. Whatever the text, decoding answers with a value: it never throws. */
import { z } from 'zod';
import { type ClientFrame, clientFrame } from './client-frames.ts';
import { type Fault, fault, type Outcome } from './faults.ts';
import { frameId } from './ids.ts';
import { limits } from './limits.ts';
import { type ServerFrame, serverFrame } from './server-frames.ts';

/** `id` is that of the frame if it is valid, so that the error reply can carry it. */
export type Decoded<Frame> =
  | { ok: true; frame: Frame }
  | { ok: false; id?: string | undefined; fault: Fault };

// Generated code instead of walking the schema: checking a frame then costs half as much as its JSON.parse, walking twice as
// much. Where code generation is forbidden (a page's CSP), zod falls back to walking.
const clientParser = z.compile(clientFrame);
const serverParser = z.compile(serverFrame);

/** Decodes a frame from a client. All limits but the server's own (`maxSeatsPerHold`, the longest TTL) are checked. */
export function decodeClientFrame(text: string): Decoded<ClientFrame> {
  // Every UTF-16 unit takes at least one byte, so nothing that the transport lets through is refused here.
  if (text.length > limits.maxFrameBytes) {
    return {
      ok: false,
      fault: fault('bad_frame', {}, `A frame holds at most ${limits.maxFrameBytes} bytes.`),
    };
  }
  return decode(clientParser, text);
}

/** The same for clients and tests: a frame from the server, of any size. */
export function decodeServerFrame(text: string): Decoded<ServerFrame> {
  return decode(serverParser, text);
}

export function encode(frame: ServerFrame | ClientFrame): string {
  return JSON.stringify(frame);
}

/** Decodes an HTTP body by the same rules, into the same faults. */
export function decodeBody<Body>(schema: z.ZodType<Body>, text: string): Outcome<{ body: Body }> {
  const input = parseJson(text);
  const parsed = schema.safeParse(input);
  if (parsed.success) return { ok: true, body: parsed.data };
  return { ok: false, fault: input === undefined ? notJson() : faultOfIssues(parsed.error.issues, input) };
}

function decode<Frame>(parser: z.ZodType<Frame>, text: string): Decoded<Frame> {
  const input = parseJson(text);
  if (input === undefined) return { ok: false, fault: notJson() };
  const parsed = parser.safeParse(input);
  if (parsed.success) return { ok: true, frame: parsed.data };
  return { ok: false, id: usableId(input), fault: faultOfIssues(parsed.error.issues, input) };
}

/** Undefined when the text is not JSON (no JSON text has that value). */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function notJson(): Fault {
  return fault('bad_frame', {}, 'Not JSON. Send one JSON object.');
}

const anyId = z.object({ id: frameId });
const anyType = z.object({ type: z.string() });

function usableId(input: unknown): string | undefined {
  return anyId.safeParse(input).data?.id;
}

type Issue = z.core.$ZodIssue;
type InputCode =
  | 'unsupported'
  | 'bad_frame'
  | 'bad_id'
  | 'too_many_seats'
  | 'duplicate_seat'
  | 'unauthorized';

/** Of several faults the first in this order is answered: first the type, then the shape, the ids, the numbers. */
const precedence: readonly InputCode[] = [
  'unsupported',
  'bad_frame',
  'bad_id',
  'too_many_seats',
  'duplicate_seat',
  'unauthorized',
];

const maxMessageLength = 240;

function faultOfIssues(issues: readonly Issue[], input: unknown): Fault {
  for (const code of precedence) {
    const issue = issues.find((candidate) => codeOfIssue(candidate, input) === code);
    if (issue) return fault(code, {}, describe(issue));
  }
  return fault('bad_frame');
}

function codeOfIssue(issue: Issue, input: unknown): InputCode {
  switch (issue.code) {
    // Only ids are checked by pattern, and only ids are keys.
    case 'invalid_format':
    case 'invalid_key':
      return 'bad_id';
    // Every list that a client sends is a list of seats, or of leases, which have a seat each.
    case 'too_big':
      if (issue.origin === 'array') return 'too_many_seats';
      // No valid token is that long, so it is refused like any invalid one.
      return issue.path[0] === 'token' ? 'unauthorized' : 'bad_frame';
    case 'custom':
      return ruleOf(issue.params);
    case 'invalid_union':
      return codeOfUnion(issue, input);
    default:
      return 'bad_frame';
  }
}

/** A custom rule of a schema names its fault itself. */
function ruleOf({ fault: named }: Record<string, unknown> = {}): InputCode {
  return precedence.find((code) => code === named) ?? 'bad_frame';
}

function codeOfUnion(issue: z.core.$ZodIssueInvalidUnion, input: unknown): InputCode {
  const isTypeOfFrame = issue.path.length === 1 && issue.path[0] === 'type';
  if (isTypeOfFrame) return anyType.safeParse(input).success ? 'unsupported' : 'bad_frame';
  const isOnlyMisnamed = issue.errors.some((branch) =>
    branch.every((inner) => codeOfIssue(inner, input) === 'bad_id'),
  );
  return isOnlyMisnamed ? 'bad_id' : 'bad_frame';
}

/** Where and what, but no value that was sent (only names of unknown fields): messages end up in logs. */
function describe(issue: Issue): string {
  const where = issue.path.length > 0 ? `${issue.path.join('.')}: ` : '';
  return `${where}${issue.message}`.slice(0, maxMessageLength);
}
