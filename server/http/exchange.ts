import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { type BodyLimits, httpLimits } from '../limits.ts';
import type { Answer } from './answer.ts';
import { BodyReader, type ReadBody } from './body.ts';

/** What was in the head of the request, copied: uWebSockets.js takes its own back when the handler returns. */
export interface RequestHead {
  /** Lower case. */
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The parts of the path that the pattern left open, as they were sent. */
  readonly parameters: readonly string[];
}

/** Of every answer that does not say otherwise. */
const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

/**
 * One request and its one answer on a uWebSockets.js response, which may neither be answered twice nor touched after
 * its client has left.
 *
 * States: open (the body may be read) → answered, or left. Make it first of all in the handler, and call `readBody`
 * before the handler returns: bytes that nobody listens for are thrown away.
 */
export class Exchange {
  readonly head: RequestHead;
  readonly #res: HttpResponse;
  #state: 'open' | 'answered' | 'left' = 'open';
  #body: BodyReader | undefined;

  constructor(res: HttpResponse, req: HttpRequest, parameters: number) {
    res.onAborted(() => this.#leave());
    this.#res = res;
    this.head = readHead(req, parameters);
  }

  /** The body as it came, or why there is none. */
  readBody(limits: BodyLimits): Promise<ReadBody> {
    this.#body = new BodyReader(this.#res, limits);
    return this.#body.whole;
  }

  /** Sends the answer; a second one, and any after the client has left, is dropped. */
  answer(answer: Answer): void {
    if (this.#state !== 'open') return;
    this.#state = 'answered';
    this.#res.cork(() => this.#write(answer));
  }

  #write({ status, headers = {}, body }: Answer): void {
    const res = this.#res;
    const bytes = typeof body === 'string' ? Buffer.from(body) : (body ?? new Uint8Array(0));
    res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`);
    for (const [name, value] of Object.entries({ ...COMMON_HEADERS, ...headers }))
      res.writeHeader(name, value);
    // Cutting a connection with unread bytes resets it, and the client may never see the answer. So it is asked to close;
    // what still comes is thrown away, and without a new request the connection is cut after some seconds.
    if (this.#hasUnreadBody() && headers['connection'] === undefined) res.writeHeader('connection', 'close');
    if (status === 304) res.endWithoutBody();
    else if (this.head.method === 'head') res.endWithoutBody(bytes.length);
    else if (bytes.length <= httpLimits.maxBufferedBytes) res.end(bytes);
    else this.#stream(bytes);
  }

  #hasUnreadBody(): boolean {
    return this.#body === undefined ? declaresBody(this.head) : !this.#body.arrived;
  }

  /** As fast as the client reads: `end` would keep a copy of what the socket does not take. */
  #stream(bytes: Uint8Array): void {
    const res = this.#res;
    const from = res.getWriteOffset();
    res.onWritable((offset) => res.tryEnd(bytes.subarray(offset - from), bytes.length)[0]);
    res.tryEnd(bytes, bytes.length);
  }

  #leave(): void {
    this.#state = 'left';
    this.#body?.leave();
  }
}

function readHead(req: HttpRequest, parameters: number): RequestHead {
  const headers = new Map<string, string>();
  req.forEach((name, value) => void headers.set(name, value));
  return {
    method: req.getMethod(),
    path: req.getUrl(),
    headers,
    parameters: Array.from({ length: parameters }, (_, i) => req.getParameter(i) ?? ''),
  };
}

/** Without either header a request has no body. */
export function declaresBody({ headers }: RequestHead): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? '0') > 0;
}
