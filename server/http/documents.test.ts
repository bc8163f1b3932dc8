import type { TemplatedApp } from 'uWebSockets.js';
import { describe, expect, it } from 'vitest';
import { asyncApiDocument } from '../../protocol/asyncapi.ts';
import { calls } from '../../protocol/documents/calls.ts';
import { openApiDocument } from '../../protocol/openapi.ts';
import { readConfig } from '../config.ts';
import { createLog } from '../observability/log.ts';
import { createMetrics } from '../observability/metrics.ts';
import type { Rooms } from '../rooms.ts';
import { Connections } from '../session/connections.ts';
import { registerWebSocket } from '../session/websocket.ts';
import type { HttpDeps } from './deps.ts';
import { pageRoutes } from './page.ts';
import { registerHttp, routesOf } from './routes.ts';

const read = readConfig({});
if (!read.ok) throw new Error(read.problems.join('\n'));
const { config } = read;
/** Enough to register the routes. None is called. */
const deps = { config, log: createLog('silent'), metrics: createMetrics() } as HttpDeps & Rooms;

/** These are for browsers, and so not documented as calls. */
const page = new Set(Object.keys(pageRoutes()));

/** All other patterns that are registered with the server. */
function registered(): string[] {
  const patterns: string[] = [];
  const app: unknown = new Proxy({}, { get: () => (pattern: string) => void patterns.push(pattern) });
  registerHttp(app as TemplatedApp, deps);
  registerWebSocket(app as TemplatedApp, deps, new Connections(config));
  return patterns.filter((pattern) => pattern !== '/*' && !page.has(pattern));
}

const documented = openApiDocument()['paths'] as Record<string, Record<string, { security: object[] }>>;
const channels = asyncApiDocument()['channels'] as Record<string, { address: string }>;
const pathOf = (pattern: string) => pattern.replace(/:(\w+)/g, '{$1}');

describe('the documents', () => {
  it('have every path that is registered, and no other', () => {
    const paths = [...Object.keys(documented), ...Object.values(channels).map(({ address }) => address)];
    expect(registered().map(pathOf).toSorted()).toEqual(paths.toSorted());
  });

  it('have every method of each path, whose token it needs and whether it takes a body', () => {
    const routed = Object.entries(routesOf(deps)).filter(([pattern]) => !page.has(pattern));
    const routes = routed.flatMap(([pattern, route]) =>
      Object.entries(route).map(([method, { needs, body }]) => ({
        call: `${method.toUpperCase()} ${pattern}`,
        needs,
        takesBody: body !== undefined,
      })),
    );
    const described = Object.entries(calls).map(([call, { needs, body }]) => ({
      call,
      needs,
      takesBody: body !== undefined,
    }));
    const byCall = (a: { call: string }, b: { call: string }) => a.call.localeCompare(b.call);
    expect(routes.toSorted(byCall)).toEqual(described.toSorted(byCall));
  });

  it('ask for no token where none is needed', () => {
    const schemes = Object.values(documented).flatMap((methods) =>
      Object.values(methods).map(({ security }) => security.flatMap(Object.keys)),
    );
    expect(schemes.filter((names) => names.length === 0)).toHaveLength(
      Object.values(calls).filter(({ needs }) => needs === undefined).length,
    );
  });
});
