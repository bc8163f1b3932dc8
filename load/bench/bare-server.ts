/**
 * The server to compare with: uWebSockets.js alone, with the same settings. It sends the bytes that it is given, to the same number
 * of sockets and at the same moments, and knows nothing about shows.
 */
import { App, us_socket_local_port, type WebSocket } from 'uWebSockets.js';
import { limits } from '../../protocol/index.ts';
import { sessionLimits } from '../../server/limits.ts';
import { serve } from './kit/served.ts';
import { usageHandlers } from './kit/usage.ts';
import type { Frame } from './sockets/observer.ts';

interface SocketData {
  messages: number;
}

const TOPIC = 'show';
/** Answers without their id. They are text, as in the real server, so that memory is used in the same way. */
let welcome = '}';
let snapshot = '}';

const app = App();

/** Answers hello and watch with what the real server answered, and publishes everything that comes later as it is. */
function message(ws: WebSocket<SocketData>, data: ArrayBuffer): void {
  const turn = ++ws.getUserData().messages;
  const id = /"id":"(\w+)"/.exec(Buffer.from(data).toString())?.[1];
  if (turn === 1) ws.send(withId(welcome, id), false);
  else if (id !== undefined) {
    // In this order, because uWebSockets.js does not copy large messages to a socket that has never subscribed.
    ws.send(withId(snapshot, id), false);
    ws.subscribe(TOPIC);
  } else app.publish(TOPIC, data, false);
}

const withId = (answer: string, id = ''): string => `{"id":"${id}",${answer}`;
const withoutId = (frame: string): string => frame.replace(/"id":"\w+",/, '').slice(1);

app.ws<SocketData>('/ws', {
  maxPayloadLength: limits.maxFrameBytes,
  maxBackpressure: sessionLimits.maxBackpressureBytes,
  closeOnBackpressureLimit: false,
  idleTimeout: sessionLimits.idleTimeoutS,
  sendPingsAutomatically: true,
  upgrade: (res, req, socket) => {
    const key = req.getHeader('sec-websocket-key');
    res.upgrade({ messages: 0 }, key, '', req.getHeader('sec-websocket-extensions'), socket);
  },
  message,
});

function listen(): Promise<number> {
  return new Promise((resolve, reject) => {
    app.listen('127.0.0.1', 0, (socket) => {
      if (socket) resolve(us_socket_local_port(socket));
      else reject(new Error('the bare server cannot listen'));
    });
  });
}

function answerWith(answers: { welcome: string; snapshot: string }): void {
  welcome = withoutId(answers.welcome);
  snapshot = withoutId(answers.snapshot);
}

/** Publishes each frame at its time. Resolves after the last. */
function replay({ frames }: { frames: readonly Frame[] }): Promise<void> {
  const fromMs = performance.now();
  return new Promise((resolve) => {
    const next = (at: number) => {
      const frame = frames[at];
      if (frame === undefined) return resolve();
      const publish = () => {
        app.publish(TOPIC, frame.text, false);
        next(at + 1);
      };
      setTimeout(publish, frame.atMs - (performance.now() - fromMs));
    };
    next(0);
  });
}

const handlers = { ...usageHandlers, listen, answerWith, replay };
export type BareServer = typeof handlers;
serve(handlers);
