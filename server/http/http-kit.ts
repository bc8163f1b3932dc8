import { App, us_listen_socket_close, us_socket_local_port } from 'uWebSockets.js';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'vitest';
import { errorBody, type FaultCode, faultTable } from '../../protocol/index.ts';
import { Closers } from '../closers.ts';
import { type Config, readConfig } from '../config.ts';
import { createLog } from '../observability/log.ts';
import { SelfReport } from '../observability/self-report.ts';
import { openRooms, type Rooms } from '../rooms.ts';
import { expectDocumented, refusalsOfCall } from '../test/harness/documented.ts';
import { createDatabase, startRedis } from '../test/harness/services.ts';
import { type HttpDeps, type HttpRoom, registerHttp } from './routes.ts';

export const adminToken = 'an-admin-of-tests';

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON, undefined when it is none. */
  readonly body: unknown;
}

interface Call {
  readonly method?: string;
  /** Sent as JSON; a string as it is. */
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly admin?: boolean;
}

export interface HttpKit {
  readonly port: number;
  readonly http: HttpRoom;
  readonly config: Config;
  readonly redis: Awaited<ReturnType<typeof startRedis>>;
  readonly leases: Rooms['leases'];
  readonly seatMaps: Rooms['seatMaps'];
  readonly metrics: Rooms['metrics'];
  call(path: string, call?: Call): Promise<Reply>;
  /** Makes a show that no other test uses. */
  newShow(seatIds?: readonly string[]): Promise<string>;
  /** A bare TCP connection to the server. */
  raw(): Promise<RawConnection>;
  close(): Promise<void>;
}

export interface KitOptions {
  readonly env?: Record<string, string>;
  readonly databaseUrl?: string;
  /** Replaces parts of the server, to get a behaviour that the real ones cannot be made to show. */
  readonly deps?: Partial<HttpDeps>;
}

/** Expects the error body of this code, with the status that belongs to it. */
export function expectFault(reply: Reply, code: FaultCode, details: object = {}): void {
  expect(errorBody.parse(reply.body)).toMatchObject({ code, ...details });
  expect(reply.status).toBe(faultTable[code].httpStatus);
  expect(reply.headers.get('content-type')).toBe('application/json; charset=utf-8');
}

/** A server of the HTTP calls alone, with real stores, on a port of its own. */
export async function openHttpKit({ env = {}, databaseUrl, deps = {} }: KitOptions = {}): Promise<HttpKit> {
  const closers = new Closers();
  const read = readConfig({ ADMIN_TOKEN: adminToken, ...env });
  if (!read.ok) throw new Error(read.problems.join('\n'));
  const url = databaseUrl ?? closers.opened(await createDatabase(), (database) => database.drop()).url;
  const redis = closers.opened(await startRedis(), async (service) => void (await service.stop()));
  const config = { ...read.config, databaseUrl: url, redisUrl: redis.url };
  const rooms = await openRooms(config, createLog('silent'), closers, () => undefined);
  const { catalogue, leases, seatMaps, metrics } = rooms;
  const readiness = async () => ({ ready: true, redis: true, postgres: true, streamLagMs: 3 });

  const app = App();
  const self = new SelfReport(metrics, deps.readiness ?? readiness, rooms.log);
  const told = { readiness: () => self.readiness(), scrape: () => self.text() };
  const http = registerHttp(app, { ...rooms, ...deps, ...told });
  const { port, socket } = await listen(app);
  closers.opened(socket, (it) => us_listen_socket_close(it));
  closers.opened(app, (it) => void it.close());

  const call = (path: string, options?: Call) => send(port, path, options);
  const newShow = async (seatIds: readonly string[] = ['A1', 'A2', 'A3', 'A4']) => {
    const id = `show-${randomUUID()}`;
    const made = await catalogue.create({
      id,
      name: 'A show',
      seats: seatIds.map((seatId) => ({ id: seatId })),
    });
    if (!made.ok) throw new Error(made.fault.message);
    return id;
  };
  const close = () => closers.close();
  const raw = () => RawConnection.open(port);
  return { port, http, config, redis, leases, seatMaps, metrics, call, newShow, raw, close };
}

/** 1 is LIBUS_LISTEN_EXCLUSIVE_PORT, which the package's types and its code export under different names. */
const EXCLUSIVE_PORT = 1;

function listen(app: ReturnType<typeof App>) {
  return new Promise<{ port: number; socket: Parameters<typeof us_listen_socket_close>[0] }>(
    (resolve, reject) => {
      app.listen(0, EXCLUSIVE_PORT, (socket) => {
        if (socket) resolve({ port: us_socket_local_port(socket), socket });
        else reject(new Error('no free port'));
      });
    },
  );
}

async function send(port: number, path: string, options: Call = {}): Promise<Reply> {
  const { body, admin = false, headers = {}, method = body === undefined ? 'GET' : 'POST' } = options;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(admin ? { authorization: `Bearer ${adminToken}` } : {}),
      ...headers,
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const reply = { status: response.status, headers: response.headers, text, body: parsed(text) };
  const refused = errorBody.safeParse(reply.body);
  if (refused.success) expectDocumented(`${method} ${path}`, refusalsOfCall(method, path), refused.data);
  return reply;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A client that breaks the rules of HTTP, or leaves when it likes. */
export class RawConnection {
  readonly socket: Socket;
  #received = '';
  #closed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => {
      this.#received += text;
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  static async open(port: number): Promise<RawConnection> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    return new RawConnection(socket);
  }

  get closed(): boolean {
    return this.#closed;
  }

  get received(): string {
    return this.#received;
  }

  write(text: string | Uint8Array): void {
    this.socket.write(text);
  }

  /** Resolves with everything received once it contains `text`, or when the server has closed. */
  async until(text: string | RegExp): Promise<string> {
    const found = () =>
      typeof text === 'string' ? this.#received.includes(text) : text.test(this.#received);
    while (!found() && !this.#closed) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#received;
  }

  /** Leaves at once, with a reset. */
  reset(): void {
    this.socket.resetAndDestroy();
  }
}
