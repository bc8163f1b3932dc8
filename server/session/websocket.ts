import type { HttpRequest, HttpResponse, TemplatedApp, us_socket_context_t } from 'uWebSockets.js';
import { closeCodes, faultTable, limits, subprotocol } from '../../protocol/index.ts';
import { isForeign } from '../auth/origins.ts';
import { sessionLimits } from '../limits.ts';
import type { Rooms } from '../rooms.ts';
import { clientOf } from './address.ts';
import { Connection } from './connection.ts';
import type { Connections } from './connections.ts';
import { Sender, type SocketData } from './sender.ts';

/** Close codes of a client that closed on purpose. */
const CLEAN = new Set([1000, 1001]);
/** Close codes that are counted by name. */
const KNOWN_CLOSES = new Set<number>([1000, 1001, 1005, 1006, ...Object.values(closeCodes)]);

/** The last address, which our own proxy added; those before it may be made up by the client. */
function addressOf(res: HttpResponse, req: HttpRequest, trustProxy: boolean): string {
  let forwarded = '';
  // HAProxy adds a header line of its own after the client's, and getHeader reads the first: so take the last.
  const takeLast = (name: string, value: string) => {
    if (name === 'x-forwarded-for') forwarded = value;
  };
  if (trustProxy) req.forEach(takeLast);
  const seen = forwarded.split(',').at(-1)?.trim() || Buffer.from(res.getRemoteAddressAsText()).toString();
  return clientOf(seen);
}

function refuseUpgrade(
  { metrics }: Rooms,
  res: HttpResponse,
  status: string,
  code: 'bad_frame' | 'forbidden' | 'limit_reached',
  message: string,
): void {
  metrics.upgradesRefused.count(code);
  const body = JSON.stringify({ code, message, retryable: faultTable[code].retryable });
  res.writeStatus(status).writeHeader('content-type', 'application/json').end(body);
}

/** Synchronous: an asynchronous upgrade together with `send` in `open` closes sockets on older cores of uWebSockets.js. */
function upgrade(
  rooms: Rooms,
  connections: Connections,
  res: HttpResponse,
  req: HttpRequest,
  socket: us_socket_context_t,
): void {
  const key = req.getHeader('sec-websocket-key');
  const offered = req.getHeader('sec-websocket-protocol');
  const extensions = req.getHeader('sec-websocket-extensions');
  const origin = { origin: req.getHeader('origin'), host: req.getHeader('host') };
  const speaksOurs = offered === '' || offered.split(',').some((name) => name.trim() === subprotocol);
  const { allowedOrigins, trustProxy } = rooms.config;
  const address = addressOf(res, req, trustProxy);
  if (!speaksOurs) {
    refuseUpgrade(
      rooms,
      res,
      '400 Bad Request',
      'bad_frame',
      `Offer the subprotocol ${subprotocol}, or none.`,
    );
  } else if (isForeign(origin, allowedOrigins)) {
    refuseUpgrade(rooms, res, '403 Forbidden', 'forbidden', 'Pages of this origin may not connect.');
  } else if (connections.isCrowded(address)) {
    refuseUpgrade(
      rooms,
      res,
      '429 Too Many Requests',
      'limit_reached',
      'Too many connections from one address.',
    );
  } else {
    const data: SocketData = { address };
    res.upgrade(data, key, offered === '' ? '' : subprotocol, extensions, socket);
  }
}

/** Serves the protocol at `/ws`. */
export function registerWebSocket(app: TemplatedApp, rooms: Rooms, connections: Connections): void {
  const { metrics } = rooms;
  // By socket, not in the user data: that exists before the socket does.
  const live = new WeakMap<object, Connection>();
  app.ws<SocketData>('/ws', {
    maxPayloadLength: limits.maxFrameBytes,
    maxBackpressure: sessionLimits.maxBackpressureBytes,
    closeOnBackpressureLimit: false,
    idleTimeout: sessionLimits.idleTimeoutS,
    sendPingsAutomatically: true,
    upgrade: (res, req, socket) => upgrade(rooms, connections, res, req, socket),
    open: (ws) => {
      const sender = new Sender(ws, rooms.broadcaster, metrics);
      const connection = new Connection(rooms, connections, sender, ws.getUserData().address);
      live.set(ws, connection);
      connections.add(connection);
      metrics.connectionsOpened.inc();
    },
    message: (ws, message, isBinary) => {
      const connection = live.get(ws);
      if (isBinary) connection?.sender.close(closeCodes.binaryFrame);
      else connection?.message(Buffer.from(message).toString());
    },
    dropped: (ws) => live.get(ws)?.sender.dropped(),
    drain: (ws) => live.get(ws)?.sender.drained(),
    close: (ws, code) => {
      metrics.connectionsClosed.count(KNOWN_CLOSES.has(code) ? `${code}` : 'other');
      live.get(ws)?.closed(CLEAN.has(code));
    },
  });
}
