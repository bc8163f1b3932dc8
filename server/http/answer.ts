import { createHash } from 'node:crypto';
import { type Fault, faultTable } from '../../protocol/index.ts';

/** The answer to one request. Handlers return it; only the exchange touches the connection. */
export interface Answer {
  readonly status: number;
  /** Text is sent as UTF-8. */
  readonly body?: string | Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

const JSON_TYPE = 'application/json; charset=utf-8';

/** For live state, which a cache must not keep: it would show seats that are long gone. */
const LIVE = { 'content-type': JSON_TYPE, 'cache-control': 'no-store' };

export function json(status: number, body: object, headers: Record<string, string> = {}): Answer {
  return { status, body: JSON.stringify(body), headers: { ...LIVE, ...headers } };
}

/** An answer whose JSON is encoded already. */
export const encoded = (body: string | Uint8Array): Answer => ({ status: 200, body, headers: LIVE });

/** The error body of a fault. `status` is for cases for which HTTP has a better status than that of the code. */
export function refusal(fault: Fault, status: number = faultTable[fault.code].httpStatus): Answer {
  const retryInMs = 'retryInMs' in fault ? fault.retryInMs : undefined;
  const retry = retryInMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryInMs / 1000)) };
  const challenge = status === 401 ? { 'www-authenticate': 'Bearer' } : {};
  return json(status, fault, { ...retry, ...challenge });
}

/**
 * An answer that may be cached but must be revalidated: 304 if the client already has this version.
 * @param ifNoneMatch the request's header
 * @param body called only if the body is needed
 * @param own headers of this answer
 */
export function versioned(
  etag: string,
  ifNoneMatch: string | undefined,
  body: () => string | Uint8Array,
  own: Readonly<Record<string, string>> = { 'content-type': JSON_TYPE },
): Answer {
  const headers = { ...own, etag, 'cache-control': 'no-cache' };
  if (hasVersion(ifNoneMatch, etag)) return { status: 304, headers };
  return { status: 200, body: body(), headers };
}

/** An ETag that changes with the bytes. */
export const etagOf = (body: string | Uint8Array): string =>
  `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;

function hasVersion(ifNoneMatch: string | undefined, etag: string): boolean {
  if (ifNoneMatch === undefined) return false;
  const known = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return known.includes('*') || known.includes(etag);
}
