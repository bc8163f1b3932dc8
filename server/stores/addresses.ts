/* What the URLs of both stores share: several hosts, and one login for all of them. */

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface Login {
  readonly username?: string;
  readonly password?: string;
}

const HOST = /^(?<host>\[[\da-f:.]+\]|[\w.-]+)(?::(?<port>\d{1,5}))?$/i;

/** `host:port`, fit for logs and messages. */
export const nameOf = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

export function parseHost(text: string, defaultPort: number): Address | undefined {
  const { host, port = String(defaultPort) } = HOST.exec(text)?.groups ?? {};
  if (host === undefined || !isPort(port)) return undefined;
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

/** One that can be connected to. */
export const isPort = (digits: string): boolean => Number(digits) >= 1 && Number(digits) <= 65_535;

export function parseLogin(text: string): Login | undefined {
  const [, name = '', password = ''] = /^([^:]*):?(.*)$/.exec(text) ?? [];
  try {
    return login(decodeURIComponent(name), decodeURIComponent(password));
  } catch {
    return undefined; // a per cent sign that begins no code
  }
}

export const login = (username: string, password: string): Login => ({
  ...(username === '' ? {} : { username }),
  ...(password === '' ? {} : { password }),
});
