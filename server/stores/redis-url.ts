import { type Address, isPort, type Login, login, nameOf, parseHost, parseLogin } from './addresses.ts';

/** REDIS_URL, parsed. */
export type RedisTarget =
  /** One address. After a failover it may lead to another server. */
  | { readonly kind: 'single'; readonly url: string }
  /** Sentinels, which name the master. */
  | (Nodes & {
      readonly kind: 'sentinel';
      readonly name: string;
      readonly db: number;
      readonly sentinels: Login;
    })
  /** Nodes, each of which can tell which master serves which slots. */
  | (Nodes & { readonly kind: 'cluster' });

interface Nodes {
  readonly nodes: readonly Address[];
  /** The same for every node. */
  readonly login: Login;
  readonly tls: boolean;
}

export const REDIS_URL_FORMS =
  'redis://host:port, redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/name, ' +
  'with rediss for TLS';

const FORM =
  /^redis(?<tls>s?)(?:\+(?<kind>cluster|sentinel))?:\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]+)(?<path>\/[^?#]*)?(?:\?(?<query>[^#]*))?$/;
const SENTINEL_PATH = /^\/(?<name>[\w.-]+)(?:\/(?<db>\d{1,5}))?$/;

/** Undefined: none of `REDIS_URL_FORMS`. */
export function parseRedisUrl(url: string): RedisTarget | undefined {
  const { tls, kind, login = '', hosts = '', path = '', query } = FORM.exec(url)?.groups ?? {};
  if (tls === undefined) return undefined;
  const parsedLogin = parseLogin(login);
  if (parsedLogin === undefined) return undefined;
  if (kind === undefined) return isSingle(url, hosts) ? { kind: 'single', url } : undefined;
  const nodes = hosts.split(',').map((host) => parseHost(host, kind === 'cluster' ? 6379 : 26379));
  const known = nodes.filter((node) => node !== undefined);
  if (known.length !== nodes.length) return undefined;
  const common = { nodes: known, login: parsedLogin, tls: tls === 's' };
  if (kind === 'cluster') return path.length > 1 || query !== undefined ? undefined : { ...common, kind };
  const { name, db = '0' } = SENTINEL_PATH.exec(path)?.groups ?? {};
  if (name === undefined) return undefined;
  return { ...common, kind: 'sentinel', name, db: Number(db), sentinels: sentinelLogin(query) };
}

/** The client parses such a URL again, and throws at some that pass here. */
const isSingle = (url: string, hosts: string): boolean =>
  !hosts.includes(',') && URL.canParse(url) && isPort(new URL(url).port || '6379');

/** Hosts and ports, without the login: fit for logs and messages. */
export function addressOf(url: string): string {
  const target = parseRedisUrl(url);
  if (target === undefined) return 'a URL that is none';
  if (target.kind !== 'single') return target.nodes.map(nameOf).join(', ');
  const { hostname, port } = new URL(url);
  return `${hostname}:${port || 6379}`;
}

function sentinelLogin(query: string | undefined): Login {
  const given = new URLSearchParams(query);
  return login(given.get('sentinelUsername') ?? '', given.get('sentinelPassword') ?? '');
}
