import { fault } from '../../protocol/index.ts';
import { monotonicMs } from '../clock.ts';
import { adminCheck } from './admin.ts';
import { type Answer, refusal } from './answer.ts';
import type { HttpDeps } from './deps.ts';
import { type Endpoint, headFault } from './endpoint.ts';
import type { Exchange } from './exchange.ts';
import { faultOfError } from './failures.ts';
import { httpLimits } from './limits.ts';

export type Route = Readonly<Partial<Record<'get' | 'post' | 'delete', Endpoint>>>;

/** What every call goes through: where from, where to, by whom, how much at once; then its endpoint; then its answer. */
export class Dispatcher {
  readonly #deps: HttpDeps;
  readonly #isAdmin: (authorization: string | undefined) => boolean;
  readonly #underWay = new Map<Endpoint, number>();
  #allUnderWay = 0;

  constructor(deps: HttpDeps) {
    this.#deps = deps;
    this.#isAdmin = adminCheck(deps.config.adminToken);
  }

  /** @param name of the route in metrics and logs */
  serve(name: string, route: Route | undefined, exchange: Exchange): void {
    const startedMs = monotonicMs();
    this.#allUnderWay += 1;
    this.#decide(route, exchange)
      .catch((error: unknown) => refusal(faultOfError(error, this.#deps.log, name)))
      .then((answer) => {
        if (answer === undefined) return;
        exchange.answer(answer);
        this.#count(name, exchange.head.method, answer.status, monotonicMs() - startedMs);
      })
      .catch((error: unknown) => this.#deps.log.error({ err: error, route: name }, 'an answer was not sent'))
      .finally(() => {
        this.#allUnderWay -= 1;
      });
  }

  /** Runs up to the reading of the body without a pause. Undefined: the client left before its request was complete. */
  async #decide(route: Route | undefined, exchange: Exchange): Promise<Answer | undefined> {
    const { head } = exchange;
    if (this.#isForeign(head.headers.get('origin')))
      return refusal(fault('forbidden', {}, 'This origin is not allowed.'));
    if (this.#allUnderWay > httpLimits.maxUnderWay) return refusal(fault('busy', { retryInMs: 1_000 }));
    if (route === undefined) return noSuchPath;
    const endpoint = endpointOf(route, head.method);
    if (endpoint === undefined) return wrongMethod(route);
    if (endpoint.admin && !this.#isAdmin(head.headers.get('authorization')))
      return refusal(fault('forbidden'));
    const unfit = endpoint.body && headFault(head, endpoint.body);
    if (unfit !== undefined) return refusal(unfit);
    return this.#run(endpoint, exchange);
  }

  async #run(endpoint: Endpoint, exchange: Exchange): Promise<Answer | undefined> {
    const underWay = this.#underWay.get(endpoint) ?? 0;
    if (underWay >= (endpoint.maxUnderWay ?? Number.POSITIVE_INFINITY))
      return refusal(fault('busy', { retryInMs: 1_000 }));
    this.#underWay.set(endpoint, underWay + 1);
    try {
      const { head } = exchange;
      if (endpoint.body === undefined) return await endpoint.run({ head, bytes: NO_BYTES });
      const body = await exchange.readBody(endpoint.body);
      if (body === undefined) return undefined;
      return body.ok ? await endpoint.run({ head, bytes: body.bytes }) : refusal(body.fault);
    } finally {
      this.#underWay.set(endpoint, (this.#underWay.get(endpoint) ?? 1) - 1);
    }
  }

  #isForeign(origin: string | undefined): boolean {
    const { allowedOrigins } = this.#deps.config;
    return origin !== undefined && allowedOrigins !== undefined && !allowedOrigins.includes(origin);
  }

  #count(route: string, method: string, status: number, tookMs: number): void {
    const { httpRequests, httpRequestSeconds } = this.#deps.metrics;
    const known = KNOWN_METHODS.has(method) ? method : 'other';
    httpRequests.inc({ route, method: known, status });
    httpRequestSeconds.observe({ route, method: known }, tookMs / 1000);
  }
}

const NO_BYTES = new Uint8Array(0);
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

// The faults have no code of their own for these two: what is not part of the protocol is `unsupported`, with HTTP's status.
const noSuchPath = refusal(fault('unsupported', {}, 'No such path. Compare it with the documentation.'), 404);

function wrongMethod(route: Route): Answer {
  const methods = Object.keys(route).flatMap((method) =>
    method === 'get' ? ['GET', 'HEAD'] : [method.toUpperCase()],
  );
  const allow = methods.join(', ');
  const answer = refusal(fault('unsupported', {}, `This path takes ${allow}.`), 405);
  return { ...answer, headers: { ...answer.headers, allow } };
}
