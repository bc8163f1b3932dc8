import { setTimeout as pause } from 'node:timers/promises';
import { fault } from '../../protocol/index.ts';
import { isForeign } from '../auth/origins.ts';
import { monotonicMs } from '../clock.ts';
import { httpLimits } from '../limits.ts';
import { faultOf, tooMuch } from '../refusals.ts';
import { type Answer, refusal } from './answer.ts';
import { Callers } from './callers.ts';
import type { HttpDeps } from './deps.ts';
import { type Endpoint, headFault } from './endpoint.ts';
import type { Exchange, RequestHead } from './exchange.ts';

export type Route = Readonly<Partial<Record<'get' | 'post' | 'delete', Endpoint>>>;

type Admission =
  | { readonly ok: true; readonly endpoint: Endpoint }
  | { readonly ok: false; readonly answer: Answer };

/**
 * Takes every call through the same stages: checks of its origin, path, method, caller, body headers and of the load; then its
 * endpoint; then its answer.
 */
export class Dispatcher {
  readonly #deps: HttpDeps;
  readonly #callers: Callers;
  readonly #underWay = new Map<Endpoint, number>();
  #allUnderWay = 0;
  #draining = false;
  #lastAtWorkMs = 0;

  constructor(deps: HttpDeps) {
    this.#deps = deps;
    this.#callers = new Callers(deps.config);
  }

  /** @param name of the route in metrics and logs */
  serve(name: string, route: Route | undefined, exchange: Exchange): void {
    const startedMs = monotonicMs();
    this.#allUnderWay += 1;
    this.#decide(name, route, exchange)
      .then((answer) => {
        if (answer === undefined) return;
        exchange.answer(this.#draining ? closing(answer) : answer);
        this.#count(name, exchange.head.method, answer.status, monotonicMs() - startedMs);
      })
      .catch((error: unknown) => this.#deps.log.error({ err: error, route: name }, 'an answer was not sent'))
      .finally(() => {
        this.#allUnderWay -= 1;
        if (this.#draining) this.#lastAtWorkMs = monotonicMs();
      });
  }

  /**
   * From now on each answer asks for its connection to be closed. Resolves when there has been no request for `quietMs` (a
   * connection that was accepted just before may not have sent its request yet), or when `deadlineMs` is over.
   */
  async drain(deadlineMs: number): Promise<void> {
    const endMs = monotonicMs() + deadlineMs;
    this.#draining = true;
    this.#lastAtWorkMs = monotonicMs();
    const quietMs = () => (this.#allUnderWay > 0 ? 0 : monotonicMs() - this.#lastAtWorkMs);
    while (quietMs() < httpLimits.quietMs && monotonicMs() < endMs) await pause(LOOK_AGAIN_MS);
  }

  /**
   * Undefined: the client left before its request was complete. Until `readBody` listens nothing may be awaited, or the beginning
   * of the body would be lost.
   */
  async #decide(name: string, route: Route | undefined, exchange: Exchange): Promise<Answer | undefined> {
    const admitted = this.#admit(route, exchange.head);
    if (!admitted.ok) return admitted.answer;
    const { endpoint } = admitted;
    const underWay = this.#underWay.get(endpoint) ?? 0;
    if (underWay >= (endpoint.maxUnderWay ?? httpLimits.maxUnderWay)) return refusal(tooMuch());
    this.#underWay.set(endpoint, underWay + 1);
    try {
      return await this.#run(name, endpoint, exchange);
    } finally {
      this.#underWay.set(endpoint, (this.#underWay.get(endpoint) ?? 1) - 1);
    }
  }

  /** The checks that take only the head of a request. */
  #admit(route: Route | undefined, head: RequestHead): Admission {
    const refuse = (answer: Answer): Admission => ({ ok: false, answer });
    const [origin, host] = [head.headers.get('origin'), head.headers.get('host')];
    if (isForeign({ origin, host }, this.#deps.config.allowedOrigins)) return refuse(foreignOrigin);
    if (route === undefined) return refuse(noSuchPath);
    const endpoint = endpointOf(route, head.method);
    if (endpoint === undefined) return refuse(wrongMethod(route));
    if (!endpoint.vital && this.#allUnderWay > httpLimits.maxUnderWay) return refuse(refusal(tooMuch()));
    const unfit =
      this.#callers.refused(head, needsOf(endpoint)) ?? (endpoint.body && headFault(head, endpoint.body));
    return unfit === undefined ? { ok: true, endpoint } : refuse(refusal(unfit));
  }

  async #run(name: string, endpoint: Endpoint, exchange: Exchange): Promise<Answer | undefined> {
    const body = endpoint.body === undefined ? NO_BODY : await exchange.readBody(endpoint.body);
    if (body === undefined) return undefined;
    if (!body.ok) return refusal(body.fault);
    const { head } = exchange;
    try {
      const caller = await this.#callers.identify(head, needsOf(endpoint));
      if (!caller.ok) return refusal(caller.fault);
      return await endpoint.run({ head, bytes: body.bytes, mayActFor: caller.mayActFor });
    } catch (error) {
      return refusal(faultOf(error, this.#deps.log, name));
    }
  }

  #count(route: string, method: string, status: number, tookMs: number): void {
    const { httpRequests, httpRequestSeconds } = this.#deps.metrics;
    const known = KNOWN_METHODS.has(method) ? method : 'other';
    httpRequests.inc({ route, method: known, status });
    httpRequestSeconds.observe({ route, method: known }, tookMs / 1000);
  }
}

const LOOK_AGAIN_MS = 10;

/** Without this header the client could send its next request on a connection that is about to be cut. */
const closing = (answer: Answer): Answer => ({
  ...answer,
  headers: { ...answer.headers, connection: 'close' },
});

const needsOf = ({ needs = 'nobody' }: Endpoint) => needs;
const NO_BODY = { ok: true, bytes: new Uint8Array(0) } as const;
const foreignOrigin = refusal(fault('forbidden', {}, 'This origin is not allowed.'));
const KNOWN_METHODS = new Set(['get', 'head', 'post', 'delete']);

function endpointOf(route: Route, method: string): Endpoint | undefined {
  switch (method) {
    case 'get':
    case 'head':
      return route.get;
    case 'post':
    case 'delete':
      return route[method];
    default:
      return undefined;
  }
}

// The protocol has no codes for a wrong path or method. So these two are `unsupported`, with the status that HTTP has for them.
const noSuchPath = refusal(fault('unsupported', {}, 'No such path. Compare it with the documentation.'), 404);

function wrongMethod(route: Route): Answer {
  const methods = Object.keys(route).flatMap((method) =>
    method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
  );
  const allow = methods.join(', ');
  const answer = refusal(fault('unsupported', {}, `This path takes ${allow}.`), 405);
  return { ...answer, headers: { ...answer.headers, allow } };
}
