/** The shortest way of a request through WebSocket to Redis and back: uWebSockets.js, the server's Redis client, and one PING. */
import { App, us_socket_local_port, type WebSocket } from 'uWebSockets.js';
import { createLog } from '../../../server/observability/log.ts';
import { openRedis } from '../../../server/stores/redis.ts';
import { serve } from '../kit/served.ts';

const TIMEOUT_MS = 10_000;
const HELD = '{"type":"held","id":"1"}';
const WELCOME = '{"type":"welcome","id":"1"}';

async function listen({ redisUrl }: { redisUrl: string }): Promise<number> {
  const store = openRedis({ url: redisUrl, timeoutMs: TIMEOUT_MS, log: createLog('silent') });
  await store.connect();
  const answer = (ws: WebSocket<object>, data: ArrayBuffer) => {
    if (Buffer.from(data).includes('hello')) ws.send(WELCOME);
    else void store.ping().then(() => ws.send(HELD));
  };
  const app = App().ws<object>('/ws', { message: answer });
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (socket) resolve(us_socket_local_port(socket));
      else reject(new Error('the bare hop cannot listen'));
    });
  });
}

const handlers = { listen };
export type BareHop = typeof handlers;
serve(handlers);
