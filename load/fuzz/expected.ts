import {
  type ClientFrame,
  closeCodes,
  decodeClientFrame,
  type ErrorFrame,
  limits,
  type ServerFrame,
} from '../../protocol/index.ts';
import { sessionLimits } from '../../server/limits.ts';

/** What the answer to one text must be. */
interface Expected {
  /** Only this very answer is right. */
  readonly exact: boolean;
  readonly id: string | undefined;
  readonly fits: (reply: ServerFrame) => boolean;
  readonly described: string;
}

export interface Expectation {
  readonly replies: readonly Expected[];
  /**
   * Whether one of the texts ends the connection. Then replies to earlier texts may be lost, and later texts are not read.
   * `perhaps`: there are so many refusals that the server ends the connection, unless they are spread over enough time.
   */
  readonly ends: 'yes' | 'perhaps' | 'no';
}

const successOf: Readonly<Record<ClientFrame['type'], readonly ServerFrame['type'][]>> = {
  hello: ['welcome'],
  watch: ['snapshot', 'delta'],
  unwatch: ['unwatched'],
  hold: ['held'],
  heartbeat: ['renewed'],
  release: ['released'],
  checkout: ['pinned'],
  confirm: ['confirmed'],
};
/** Codes that a valid frame must never get: those of invalid frames, and that of a bug. */
const never: ReadonlySet<string> = new Set([
  'internal',
  'unsupported',
  'bad_id',
  'unauthorized',
  'forbidden',
]);

const refusedAs = (id: string | undefined, code: ErrorFrame['code']): Expected => ({
  exact: true,
  id,
  fits: (reply) => reply.type === 'error' && reply.code === code,
  described: code,
});

/** The right answers to these texts, if they are sent in this order without waiting. */
export function expectationOf(texts: readonly Buffer[], joined: boolean): Expectation {
  const replies: Expected[] = [];
  let state: 'cold' | 'joining' | 'live' = joined ? 'live' : 'cold';
  let offences = 0;
  for (const bytes of texts) {
    if (bytes.length > limits.maxFrameBytes) return { replies, ends: 'yes' };
    const decoded = decodeClientFrame(bytes.toString());
    if (!decoded.ok) {
      replies.push(refusedAs(decoded.id, decoded.fault.code));
      if (decoded.fault.code === 'unauthorized') return { replies, ends: 'yes' };
      offences += 1 + bytes.length / sessionLimits.offenceBytes;
      continue;
    }
    const { frame } = decoded;
    const isHello = frame.type === 'hello';
    if (isHello ? state !== 'cold' : state === 'cold') replies.push(refusedAs(frame.id, 'hello_required'));
    else replies.push(answerTo(frame, state === 'joining'));
    if (isHello && state === 'cold') state = 'joining';
  }
  return { replies, ends: offences < sessionLimits.offencesBurst - texts.length ? 'no' : 'perhaps' };
}

function answerTo({ type, id }: ClientFrame, joining: boolean): Expected {
  const fits = (reply: ServerFrame) => {
    if (reply.type !== 'error') return successOf[type].includes(reply.type);
    return !never.has(reply.code) && (joining || reply.code !== 'hello_required');
  };
  return { exact: false, id, fits, described: `an answer to ${type}` };
}

/** Whether a frame is an answer and not a push. */
export const isReply = (frame: ServerFrame): boolean =>
  frame.type === 'error' || ('id' in frame && frame.id !== undefined);

/** What had arrived when there were enough replies, the connection was closed, or the time was over. */
export interface Heard {
  readonly replies: readonly ServerFrame[];
  readonly closed: boolean;
  readonly closeCode: number | undefined;
}

/** A sentence that says what was not expected, or is missing. Undefined: everything is right. */
export function compare({ replies: wanted, ends }: Expectation, heard: Heard): string | undefined {
  const wrong = wrongEnd(ends, heard);
  if (wrong !== undefined) return wrong;
  // Two requests may have the same id. Those that only one answer fits choose theirs first.
  const open = wanted.toSorted((a, b) => Number(b.exact) - Number(a.exact));
  const isError = (reply: ServerFrame) => Number(reply.type === 'error');
  for (const reply of heard.replies.toSorted((a, b) => isError(a) - isError(b))) {
    const id = 'id' in reply ? reply.id : undefined;
    const at = open.findIndex((expected) => expected.id === id && expected.fits(reply));
    if (at < 0) return `nobody asked for ${JSON.stringify(reply).slice(0, 300)}`;
    open.splice(at, 1);
  }
  const [missing] = open;
  return missing === undefined || heard.closed
    ? undefined
    : `no answer to ${missing.id}: ${missing.described}`;
}

function wrongEnd(ends: Expectation['ends'], { closed, closeCode }: Heard): string | undefined {
  if (!closed) return ends === 'yes' ? 'a frame that ends the connection did not' : undefined;
  if (ends === 'yes' || (ends === 'perhaps' && closeCode === closeCodes.abuse)) return undefined;
  return `the connection was ended with ${closeCode}`;
}
