import type { TemplatedApp } from 'uWebSockets.js';
import {
  bookingConfirmBody,
  createShowBody,
  requestId,
  seatLockBody,
  seatUnlockBody,
  showId,
} from '../../protocol/index.ts';
import { httpLimits, showBody } from '../limits.ts';
import { type Answer, refusal } from './answer.ts';
import { clientEndpoint } from './client-module.ts';
import type { HttpDeps } from './deps.ts';
import { Dispatcher, type Route } from './dispatcher.ts';
import { documents } from './documents.ts';
import { acting, naming, taking } from './endpoint.ts';
import { Exchange } from './exchange.ts';
import { opsEndpoints } from './ops.ts';
import { pageRoutes } from './page.ts';
import { findBooking, refundBooking } from './refunds.ts';
import { confirmBooking, lockSeats, unlockSeats } from './seats.ts';
import { createShow, listShows, readSeats, readShow } from './shows.ts';
import { UserLimits } from './user-limits.ts';

export type { HttpDeps } from './deps.ts';

export interface HttpRoom {
  /** A server that stops waits for this, at most `deadlineMs`, before it cuts the connections. */
  drain(deadlineMs: number): Promise<void>;
}

/** Every path of the HTTP API, as a pattern of uWebSockets.js. */
export function routesOf(deps: HttpDeps): Record<string, Route> {
  const { livez, readyz, metrics } = opsEndpoints(deps);
  const admin = { needs: 'admin' } as const;
  const users = new UserLimits(deps.config);
  const paced =
    <Body extends { readonly user_id: string }>(
      run: (deps: HttpDeps, users: UserLimits, body: Body) => Promise<Answer>,
    ) =>
    async (body: Body): Promise<Answer> => {
      const tooFast = users.called(body.user_id);
      return tooFast === undefined ? run(deps, users, body) : refusal(tooFast);
    };
  const newShow = { ...admin, body: showBody, maxUnderWay: httpLimits.maxShowsUnderWay };
  return {
    '/seat-lock': { post: acting('user', seatLockBody, paced(lockSeats)) },
    '/seat-unlock': { post: acting('user', seatUnlockBody, paced(unlockSeats)) },
    // The shop's backend books after the payment, when the token of its buyer may have expired.
    '/booking/confirm': { post: acting('user or admin', bookingConfirmBody, paced(confirmBooking)) },
    '/shows': {
      get: { run: ({ head }) => listShows(deps, head) },
      post: taking(createShowBody, (body) => createShow(deps, body), newShow),
    },
    '/shows/:showId': { get: naming(showId, (id, head) => readShow(deps, id, head)) },
    '/shows/:showId/seats': { get: naming(showId, (id) => readSeats(deps, id)) },
    '/bookings/:requestId': {
      get: naming(requestId, (id) => findBooking(deps, id), admin),
      delete: naming(requestId, (id) => refundBooking(deps, id), admin),
    },
    ...pageRoutes(),
    '/client.js': { get: clientEndpoint() },
    '/livez': { get: livez },
    '/readyz': { get: readyz },
    '/metrics': { get: metrics },
    '/asyncapi.json': { get: documents.asyncApi },
    '/openapi.json': { get: documents.openApi },
  };
}

/**
 * Serves every HTTP call, and answers every other path with 404. Routes that others register for one path and method (`/ws`)
 * take precedence over these.
 */
export function registerHttp(app: TemplatedApp, deps: HttpDeps): HttpRoom {
  const dispatcher = new Dispatcher(deps);
  for (const [pattern, route] of Object.entries(routesOf(deps))) {
    const parameters = pattern.split('/:').length - 1;
    app.any(pattern, (res, req) => dispatcher.serve(pattern, route, new Exchange(res, req, parameters)));
  }
  app.any('/*', (res, req) => dispatcher.serve('other', undefined, new Exchange(res, req, 0)));
  return dispatcher;
}
