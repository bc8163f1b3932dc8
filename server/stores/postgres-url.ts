import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { checkServerIdentity, type ConnectionOptions as TlsOptions } from 'node:tls';
import { type Address, isPort, type Login, nameOf, parseHost, parseLogin } from './addresses.ts';

const MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
type TlsMode = (typeof MODES)[number];

/** Where PostgreSQL is reached, as DATABASE_URL tells it: in the words of libpq. What none of them is (`search_path`) is told to the server. */
export interface PostgresTarget {
  /** One of them takes writes. A host that begins with `/` is the directory of a Unix socket. */
  readonly hosts: readonly Address[];
  readonly login: Login;
  readonly database: string | undefined;
  /** What a connection to this host does about TLS, as postgres.js takes it. */
  readonly tlsTo: (host: string) => false | 'prefer' | TlsOptions;
  /** Settings of the session, which the server is told as they are. */
  readonly parameters: Readonly<Record<string, string>>;
}

type Read = { readonly ok: true; readonly target: PostgresTarget } | Refused;
interface Refused {
  readonly ok: false;
  /** Fit for people's eyes, as what follows the name of the variable. */
  readonly problem: string;
}

const FORM =
  /^postgres(?:ql)?:\/\/(?:(?<login>[^/?#]*)@)?(?<hosts>[^/?#@]*)(?:\/(?<database>[^/?#]*))?(?:\?(?<query>[^#]*))?$/;
/**
 * Words of libpq that are no settings of the server. These are heeded here, or make no difference: connecting and every call
 * have deadlines of ours, which find out before the kernel does.
 */
const OURS = new Set(
  (
    'sslmode sslrootcert target_session_attrs connect_timeout tcp_user_timeout ' +
    'keepalives keepalives_idle keepalives_interval keepalives_count'
  ).split(' '),
);
/** These are not built in, so nobody may insist on them. */
const OPTIONAL = new Set(['gssencmode', 'channel_binding']);
/** These stand elsewhere in the URL or are not built in. A server that is told them refuses, and has read a password in the clear. */
const REFUSED = new Set(
  'user password host hostaddr port dbname database passfile service sslcert sslkey sslpassword sslcrl'.split(
    ' ',
  ),
);
/** A server that books needs one that takes writes; that is looked for unasked. */
const WRITERS = new Set(['read-write', 'primary']);

/** A file that the URL names is read each time: a renewed authority needs no restart. */
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

/** Hosts and ports: what may be shown of a URL that carries a password. */
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
 * postgres.js knows no authority but Node's, tells `sslrootcert` to the server, which refuses it, and compares the certificate
 * of a server that is named by its address with the name `localhost`.
 */
function readTls(
  given: URLSearchParams,
): { readonly ok: true; readonly tlsTo: PostgresTarget['tlsTo'] } | Refused {
  const file = given.get('sslrootcert');
  // Who names an authority means it to be asked.
  const wanted = given.get('sslmode') ?? (file === null ? 'disable' : 'verify-full');
  const mode = MODES.find((known) => known === (wanted === 'allow' ? 'prefer' : wanted));
  if (mode === undefined) return no(`must have an sslmode among ${MODES.join(', ')}`);
  if (file === 'system' && mode !== 'verify-full')
    return no('must have sslmode=verify-full with sslrootcert=system: anybody has a certificate of those');
  if (file === null || file === 'system') return { ok: true, tlsTo: tlsOf(mode, {}) };
  try {
    const ca = readFileSync(file, 'utf8');
    // Throws where there is none: in postgres.js that would end the process, and an empty file would mean all that Node knows.
    new X509Certificate(ca);
    return { ok: true, tlsTo: tlsOf(mode, { ca }) };
  } catch (error) {
    return no(
      `names an sslrootcert that has no certificate to read (${error instanceof Error ? error.message : error})`,
    );
  }
}

function tlsOf(mode: TlsMode, authority: { readonly ca?: string }): PostgresTarget['tlsTo'] {
  // As libpq has it: with an authority at hand, `require` asks it too.
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
