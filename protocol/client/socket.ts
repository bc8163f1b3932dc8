/** What the client needs of a WebSocket; both the platform's and `ws` have it. */
export interface SocketLike {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}

export type SocketConstructor = new (url: string, protocols: string) => SocketLike;

/** The platform's WebSocket, or the one in the options. */
export function socketConstructor(given: SocketConstructor | undefined): SocketConstructor {
  const platform = globalThis as { readonly WebSocket?: SocketConstructor };
  const found = given ?? platform.WebSocket;
  if (found === undefined)
    throw new TypeError('This platform has no WebSocket: hand one in, such as that of the package ws.');
  return found;
}

/** Turns `http(s)` into `ws(s)` and a bare origin into its `/ws`. In a page the address may be relative. */
export function socketUrl(address: string | URL): string {
  const { location } = globalThis as { readonly location?: { readonly href: string } };
  const url = new URL(address, location?.href);
  url.protocol = url.protocol.replace(/^http/, 'ws');
  if (url.pathname === '/') url.pathname = '/ws';
  url.hash = '';
  return url.href;
}
