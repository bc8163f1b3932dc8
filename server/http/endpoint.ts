import type { z } from 'zod';
import { decodeBody, type Fault, fault, type Outcome } from '../../protocol/index.ts';
import { type BodyLimits, smallBody } from '../limits.ts';
import { type Answer, refusal } from './answer.ts';
import type { MayActFor, Needs } from './callers.ts';
import { declaresBody, type RequestHead } from './exchange.ts';

/** Serves one method of one path. */
export interface Endpoint {
  /** Undefined: no token is needed. */
  readonly needs?: Needs;
  /** Answered however busy the server is: a supervisor that got no answer would restart it. */
  readonly vital?: true;
  /** Undefined: a body is ignored. */
  readonly body?: BodyLimits;
  /** Requests of this endpoint without an answer, including those whose body is still being read; one more is answered `busy`. */
  readonly maxUnderWay?: number;
  readonly run: (request: Request) => Answer | Promise<Answer>;
}

interface Request {
  readonly head: RequestHead;
  readonly bytes: Uint8Array;
  readonly mayActFor: MayActFor;
}

/** An endpoint that takes a JSON body of this schema. */
export function taking<Body>(
  schema: z.ZodType<Body>,
  run: (body: Body, mayActFor: MayActFor) => Promise<Answer>,
  { body = smallBody, ...options }: Omit<Endpoint, 'run'> = {},
): Endpoint {
  return {
    ...options,
    body,
    run: async ({ bytes, mayActFor }) => {
      const text = decodeUtf8(bytes);
      const decoded = text === undefined ? notUtf8 : decodeBody(schema, text);
      return decoded.ok ? run(decoded.body, mayActFor) : refusal(decoded.fault);
    },
  };
}

/** The same for a call that acts for the user whom its body names. */
export function acting<Body extends { readonly user_id: string }>(
  needs: 'user' | 'user or admin',
  schema: z.ZodType<Body>,
  run: (body: Body) => Promise<Answer>,
): Endpoint {
  const runFor = async (body: Body, mayActFor: MayActFor) =>
    mayActFor(body.user_id) ? run(body) : refusal(notTheirs);
  return taking(schema, runFor, { needs });
}

/** An endpoint whose path ends in an id. `run` gets the id as the schema normalises it. */
export function naming(
  schema: z.ZodType<string>,
  run: (id: string, head: RequestHead) => Promise<Answer>,
  options: Pick<Endpoint, 'needs'> = {},
): Endpoint {
  return {
    ...options,
    run: async ({ head }) => {
      const id = schema.safeParse(head.parameters[0]);
      if (id.success) return run(id.data, head);
      return refusal(
        fault('bad_id', {}, `The path's id ${id.error.issues[0]?.message ?? 'breaks its form'}.`),
      );
    },
  };
}

/** What the head of a request shows to be wrong with its body. */
export function headFault(head: RequestHead, { maxBytes }: BodyLimits): Fault | undefined {
  if (!declaresBody(head)) return fault('bad_frame', {}, 'No body. Send one JSON object.');
  if (!isPlainJson(head)) return fault('unsupported_media');
  if (Number(head.headers.get('content-length') ?? '0') > maxBytes) return fault('too_large');
  return undefined;
}

function isPlainJson({ headers }: RequestHead): boolean {
  const encoding = headers.get('content-encoding') ?? 'identity';
  const type = headers.get('content-type') ?? '';
  return /^identity$/i.test(encoding) && /^application\/json *(; *charset="?utf-8"? *)?$/i.test(type);
}

const notTheirs = fault('unauthorized', {}, 'The token speaks for another user than user_id.');
const notUtf8: Outcome<never> = { ok: false, fault: fault('bad_frame', {}, 'The body is not valid UTF-8.') };
// `ignoreBOM` keeps a byte order mark in the text. Then it is not valid JSON and is refused, as it is in a frame.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
