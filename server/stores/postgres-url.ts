import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, type ConnectionOptions as TlsOptions } from 'node:tls';
import { type Address, isPort, type Login, nameOf, parseHost, parseLogin } from './addresses.ts';

const MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type TlsMode = (typeof MODES)[number];

/** DATABASE_URL, parsed as libpq does. Parameters that libpq does not know (`search_path`) are passed to the server. */
export interface PostgresTarget {
  /** One of them takes writes. A host that begins with `/` is the directory of a Unix socket. */
  readonly hosts: readonly Address[];
  readonly login: Login;
  readonly database: string | undefined;
  /** The TLS option of postgres.js for a connection to this host. */
  readonly tlsTo: (host: string) => false | 'prefer' | TlsOptions;
  /** Settings of the session, passed to the server unchanged. */
  readonly parameters: Readonly<Record<string, string>>;
}

type Read = { readonly ok: true; readonly target: PostgresTarget } | Refused;
interface Refused {
  readonly ok: false;
  /** Follows the name of the variable in a message; contains no secret. */
  readonly problem: string;
}

const FORM =
  /^postgres(?:ql)?:\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]*)(?:\/(?<database>[^/?#]*))?(?:\?(?<query>[^#]*))?$/;
/**
 * Parameters of libpq that are not settings of the server. They are evaluated here, or have no effect: our own deadlines for
 * connecting and for every call end sooner than the timeouts of the kernel.
 */
const OURS = new Set(
  (
    'sslmode sslrootcert target_session_attrs connect_timeout tcp_user_timeout ' +
    'keepalives keepalives_idle keepalives_interval keepalives_count'
  ).split(' '),
);
/** Not implemented: accepted only where they do not require it. */
const OPTIONAL = new Set(['gssencmode', 'channel_binding']);
/** These belong elsewhere in the URL, or are not implemented. Passed on, a password would reach the server in the clear. */
const REFUSED = new Set(
  'user password host hostaddr port dbname database passfile service sslcert sslkey sslpassword sslcrl'.split(
    ' ',
  ),
);
/** A host that takes writes is always needed, and looked for without being asked. */
const WRITERS = new Set(['read-write', 'primary']);

/** Reads the file of `sslrootcert` at each call, so that a renewed certificate authority needs no restart. */
export function readPostgresUrl(url: string): Read {
  const { login = '', hosts, database = '', query } = FORM.exec(url)?.groups ?? {};
  const addresses = hosts?.split(',').map(parseAddress) ?? [];
  const known = addresses.filter((address) => address !== undefined);
  const parsedLogin = parseLogin(login);
  const name = decoded(database);
  if (
    hosts === undefined ||
    parsedLogin === undefined ||
    name === undefined ||
    known.length < addresses.length
  )
    return no(
      'must be a URL such as postgres://user:password@host:port/database; several hosts: host:port,host:port',
    );
  const given = new URLSearchParams(query);
  const refused = [...given].find(([name, value]) => isRefused(name, value))?.[0];
  if (refused !== undefined) return no(`must do without ${refused}, or this value of it, in its query`);
  const writer = given.get('target_session_attrs') ?? 'read-write';
  if (!WRITERS.has(writer))
    return no('must leave target_session_attrs at read-write: a server that books has to write');
  const tls = readTls(given);
  if (!tls.ok) return tls;
  const target = {
    hosts: known,
    login: parsedLogin,
    database: name || undefined,
    tlsTo: tls.tlsTo,
    parameters: Object.fromEntries([...given].filter(([name]) => !OURS.has(name) && !OPTIONAL.has(name))),
  };
  return { ok: true, target };
}

/** Hosts and ports, without the login: fit for logs and messages. */
export function postgresHosts(url: string): string {
  const read = readPostgresUrl(url);
  return read.ok ? read.target.hosts.map(nameOf).join(', ') : 'a URL that is none';
}

const isRefused = (name: string, value: string): boolean =>
  REFUSED.has(name) || (OPTIONAL.has(name) && value !== 'prefer' && value !== 'disable');

function parseAddress(text: string): Address | undefined {
  if (text === '') return { host: 'localhost', port: 5432 };
  const [, directory, port = '5432'] = /^(%2F[^:]*)(?::(\d+))?$/i.exec(text) ?? [];
  if (directory === undefined) return parseHost(text, 5432);
  const host = decoded(directory);
  return host === undefined || !isPort(port) ? undefined : { host, port: Number(port) };
}

/**
 * Done here because postgres.js trusts only Node's certificate authorities, passes `sslrootcert` on to the server, which refuses
 * it, and compares the certificate of a server named by its address with `localhost`.
 */
function readTls(
  given: URLSearchParams,
): { readonly ok: true; readonly tlsTo: PostgresTarget['tlsTo'] } | Refused {
  const file = given.get('sslrootcert');
  // With an authority given but no mode, certificates are verified.
  const wanted = given.get('sslmode') ?? (file === null ? 'disable' : 'verify-full');
  const mode = MODES.find((known) => known === (wanted === 'allow' ? 'prefer' : wanted));
  if (mode === undefined) return no(`must have an sslmode among ${MODES.join(', ')}`);
  if (file === 'system' && mode !== 'verify-full')
    return no('must have sslmode=verify-full with sslrootcert=system: anybody has a certificate of those');
  if (file === null || file === 'system') return { ok: true, tlsTo: tlsOf(mode, {}) };
  try {
    const ca = readFileSync(file, 'utf8');
    // Throws without a certificate: later, in postgres.js, that would end the process; an empty file would mean Node's authorities.
    new X509Certificate(ca);
    return { ok: true, tlsTo: tlsOf(mode, { ca }) };
  } catch (error) {
    return no(
      `names an sslrootcert that has no certificate to read (${error instanceof Error ? error.message : error})`,
    );
  }
}

function tlsOf(mode: TlsMode, authority: { readonly ca?: string }): PostgresTarget['tlsTo'] {
  // As in libpq: with an authority given, `require` verifies against it.
  const checked = mode === 'require' && authority.ca !== undefined ? 'verify-ca' : mode;
  switch (checked) {
    case 'disable':
      return () => false;
    case 'prefer':
      return () => 'prefer';
    case 'require':
      return () => ({ rejectUnauthorized: false });
    case 'verify-ca':
      return () => ({ ...authority, rejectUnauthorized: true, checkServerIdentity: () => undefined });
    case 'verify-full':
      return (host) => ({
        ...authority,
        rejectUnauthorized: true,
        checkServerIdentity: (_, certificate) => checkServerIdentity(host, certificate),
      });
  }
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined; // a per cent sign that begins no code
  }
}

const no = (problem: string): Refused => ({ ok: false, problem });
