import { randomBytes } from 'node:crypto';
import { createShowBody, errorBody } from '../../protocol/index.ts';
import type { Closers } from '../../server/closers.ts';
import { readConfig } from '../../server/config.ts';
import { type Child, startChild } from '../bench/kit/child.ts';
import { openServices } from '../bench/kit/services.ts';
import { startFlags } from '../bench/kit/start-flags.ts';
import type { UsageHandlers } from '../bench/kit/usage.ts';
import type { Order } from './args.ts';
import type { Scenario } from './scenario.ts';

/** The stores that all scenarios of one command use. */
export interface Ground {
  readonly adminToken: string;
  readonly databaseUrl?: string | undefined;
  readonly redisUrl?: string | undefined;
  /** The URL of a server that runs already, if one is to be used. */
  readonly target?: string | undefined;
}

/** A server with the scenario's show. */
export interface Stage {
  /** ws://…/ws */
  readonly target: string;
  readonly showId: string;
  /** Processor time of the server since it started; undefined if it was not started here. */
  cpuMs(): Promise<number | undefined>;
}

const CREATE_WITHIN_MS = 60_000;

/** Starts PostgreSQL and Redis. If a target is given, returns what is known about its stores instead. */
export async function prepareGround(order: Order, closers: Closers): Promise<Ground> {
  if (order.target === undefined) {
    const { databaseUrl, redisUrl } = await openServices(closers);
    return { adminToken: randomBytes(24).toString('base64url'), databaseUrl, redisUrl };
  }
  const read = readConfig();
  if (!read.ok) throw new Error(read.problems.join('; '));
  const { adminToken, databaseUrl, redisUrl } = read.config;
  if (adminToken === undefined) throw new Error('ADMIN_TOKEN of the target is needed to create the show');
  return {
    adminToken,
    target: withPath(order.target),
    databaseUrl: order.databaseUrl ?? databaseUrl,
    redisUrl: order.redisUrl ?? redisUrl,
  };
}

/** Each scenario gets its own server, so that none is affected by what an earlier one left behind. */
export async function setStage(ground: Ground, scenario: Scenario, closers: Closers): Promise<Stage> {
  const server = ground.target === undefined ? await startServer(ground, scenario, closers) : undefined;
  const target = server?.target ?? ground.target ?? '';
  // A server that was not started here may have the show already, from an earlier run.
  const showId =
    ground.target === undefined ? scenario.name : `${scenario.name}-${randomBytes(4).toString('hex')}`;
  await createShow(target, ground.adminToken, showId, scenario);
  const cpuMs = async () => (server ? (await server.process.call('usage')).cpuMs : undefined);
  return { target, showId, cpuMs };
}

async function startServer(
  { databaseUrl = '', redisUrl = '', adminToken }: Ground,
  scenario: Scenario,
  closers: Closers,
): Promise<{ process: Child<UsageHandlers>; target: string }> {
  const started = startChild<UsageHandlers>({
    script: 'server/main.ts',
    flags: [...startFlags(), '--import', './load/bench/kit/probe.ts'],
    settings: {
      PORT: '0',
      HOST: '127.0.0.1',
      LOG_LEVEL: 'error',
      // All users come from one address, and send as fast as they can.
      MAX_SESSIONS_PER_ADDRESS: '0',
      MAX_FRAMES_PER_S: '0',
      ...scenario.server,
      ADMIN_TOKEN: adminToken,
      DATABASE_URL: databaseUrl,
      REDIS_URL: redisUrl,
    },
  });
  const process = closers.opened(started, (server) => server.stop());
  const [, url = ''] = await process.says(/^ {2}WebSocket +(ws:\S+)$/m);
  return { process, target: url };
}

async function createShow(target: string, adminToken: string, id: string, scenario: Scenario): Promise<void> {
  const body = createShowBody.parse({ id, name: scenario.name, seats: [...scenario.seatIds] });
  const answer = await fetch(new URL('/shows', target.replace(/^ws/, 'http')), {
    method: 'POST',
    headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(CREATE_WITHIN_MS),
  });
  const reply: unknown = await answer.json();
  if (answer.ok) return;
  const refused = errorBody.safeParse(reply);
  throw new Error(`the show was not created: ${refused.data?.message ?? answer.status}`);
}

function withPath(target: string): string {
  const url = new URL(target);
  if (url.pathname === '/') url.pathname = '/ws';
  return url.href;
}
