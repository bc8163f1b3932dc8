/*
 * The refusals of each call are written down by hand, for the documents. Every refusal that any test meets is held against that:
 * the harness's clients ask here, and refusals.e2e.test.ts evokes each one that is written down.
 */
import { calls } from '../../../protocol/documents/calls.ts';
import { clientWords, commonRefusals } from '../../../protocol/documents/words.ts';
import type { ClientFrame, FaultCode } from '../../../protocol/index.ts';

const isFrameType = (type: string): type is ClientFrame['type'] => type in clientWords;

/** The refusals of a frame; undefined when the protocol has no such type. */
export function refusalsOfFrame(type: string): ReadonlySet<FaultCode> | undefined {
  return isFrameType(type) ? new Set([...commonRefusals, ...clientWords[type].refusals]) : undefined;
}

const patterns = Object.entries(calls).map(([name, { refusals }]) => {
  const [method = '', path = ''] = name.split(' ');
  return { method, path: new RegExp(`^${path.replace(/:\w+/g, '[^/]*')}$`), refusals: new Set(refusals) };
});

/** Of an HTTP call; undefined when there is none of this method and path. */
export function refusalsOfCall(method: string, path: string): ReadonlySet<FaultCode> | undefined {
  const asked = method === 'HEAD' ? 'GET' : method;
  const [bare = ''] = path.split('?');
  return patterns.find((call) => call.method === asked && call.path.test(bare))?.refusals;
}

/** Refusals after which the same request may succeed: they say when. */
const TOLD_WHEN: ReadonlySet<string> = new Set<FaultCode>([
  'rate_limited',
  'busy',
  'unavailable',
  'outcome_unknown',
]);

/** Throws when the documents do not tell of this refusal, and when it does not say when to come back though it should. */
export function expectDocumented(what: string, told: ReadonlySet<string> | undefined, body: object): void {
  const { code, retryInMs } = body as { code?: unknown; retryInMs?: unknown };
  if (typeof code !== 'string') return;
  if (told !== undefined && !told.has(code))
    throw new Error(`${what} was refused with ${code}, which protocol/documents does not tell`);
  if (TOLD_WHEN.has(code) && typeof retryInMs !== 'number')
    throw new Error(`${what} was refused with ${code}, which does not say when to come back`);
}
