/**
 * A client for browsers and Node: `rowlock/client`, and `/client.js` of every server. It needs a WebSocket and nothing else: of
 * the schemas it imports only types.
 */
import type { Client, ConnectOptions } from './client/api.ts';
import { RowlockClient } from './client/rowlock-client.ts';

export type * from './client/api.ts';
export type { ClientCode, ErrorCode, ServerCode } from './client/errors.ts';
export { RowlockError } from './client/errors.ts';
export type { SocketConstructor, SocketLike } from './client/socket.ts';
/** For a `requestId` that is stored before it is sent: pages without TLS have no `crypto.randomUUID`. */
export { randomUuid } from './client/uuid.ts';

/**
 * Returns at once, connects in the background, and connects again whenever the connection breaks.
 * @param url the server's WebSocket, or its origin; in a page it may be relative
 */
export function connect(url: string | URL, options: ConnectOptions = {}): Client {
  return new RowlockClient(url, options);
}
