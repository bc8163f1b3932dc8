import type { HttpRequest, HttpResponse } from 'uWebSockets.js';
import { STATUS_CODES } from 'node:http';
import { type BodyLimits, httpLimits } from '../limits.ts';
import type { Answer } from './answer.ts';
import { BodyReader, type ReadBody } from './body.ts';

/** The head of a request. It is a copy, because uWebSockets.js' own object is not valid after the handler has returned. */
export interface RequestHead {
  /** Lower case. */
  readonly method: string;
  readonly path: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** What the path has in place of the pattern's parameters, as it was sent. */
  readonly parameters: readonly string[];
}

/** Sent with every answer, unless it has its own values. */
const COMMON_HEADERS: Readonly<Record<string, string>> = {
  'x-content-type-options': 'nosniff',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

/**
 * One request and its answer. It keeps the rules of uWebSockets.js: a response must neither be answered twice nor touched after
 * its client has left.
 *
 * States: open (the body may be read) → answered, or left. Handlers must create it before anything else, and call `readBody`
 * before they return: what arrives while nobody listens is thrown away.
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

  /** The whole body, or why it was refused. */
  readBody(limits: BodyLimits): Promise<ReadBody> {
    this.#body = new BodyReader(this.#res, limits);
    return this.#body.whole;
  }

  /** Sends the answer. A second one is ignored, and so is any after the client has left. */
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
    // If the server closed a connection with unread bytes, TCP would reset it, and the client might never see the answer. So the
    // client is asked to close it. What it still sends is thrown away; if it never closes, uWebSockets.js does after some seconds.
    if (this.#hasUnreadBody() && headers['connection'] === undefined) res.writeHeader('connection', 'close');
    if (status === 304) res.endWithoutBody();
    else if (this.head.method === 'head') res.endWithoutBody(bytes.length);
    else if (bytes.length <= httpLimits.maxBufferedBytes) res.end(bytes);
    else this.#stream(bytes);
  }

  #hasUnreadBody(): boolean {
    return this.#body === undefined ? declaresBody(this.head) : !this.#body.arrived;
  }

  /** Writes as fast as the client reads. `end` would copy what the socket does not take at once. */
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

/** A request with neither of these headers has no body. */
export function declaresBody({ headers }: RequestHead): boolean {
  return headers.has('transfer-encoding') || Number(headers.get('content-length') ?? '0') > 0;
}
