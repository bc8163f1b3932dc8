import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { afterAll, expect, test } from 'vitest';
import { postgresHosts, readPostgresUrl } from './postgres-url.ts';

function targetOf(url: string) {
  const read = readPostgresUrl(url);
  if (!read.ok) throw new Error(read.problem);
  return read.target;
}

const dir = mkdtempSync(join(tmpdir(), 'rowlock-authority-'));
const file = join(dir, 'ca.pem');
afterAll(() => rmSync(dir, { recursive: true }));

test('reads hosts in their order, the login and the database', () => {
  expect(targetOf('postgres://app:a%40b%3Ac@one.example,10.0.0.2:6543,[::1]:7000/rowlock')).toMatchObject({
    hosts: [
      { host: 'one.example', port: 5432 },
      { host: '10.0.0.2', port: 6543 },
      { host: '::1', port: 7000 },
    ],
    login: { username: 'app', password: 'a@b:c' },
    database: 'rowlock',
  });
  expect(targetOf('postgresql:///rowlock').hosts).toEqual([{ host: 'localhost', port: 5432 }]);
  expect(targetOf('postgres://%2Fvar%2Frun%2Fpostgresql/x').hosts).toEqual([
    { host: '/var/run/postgresql', port: 5432 },
  ]);
  expect(postgresHosts('postgres://app:secret@one.example,[::1]:7000/rowlock')).toBe(
    'one.example:5432, [::1]:7000',
  );
});

test('tells the server what is meant for it, and heeds the rest itself', () => {
  const { parameters } = targetOf(
    'postgres://a/b?sslmode=require&target_session_attrs=primary&connect_timeout=5&search_path=sales',
  );
  expect(parameters).toEqual({ search_path: 'sales' });
  const asManagedOnesGiveIt =
    'keepalives=1&keepalives_idle=30&keepalives_interval=5&keepalives_count=3&tcp_user_timeout=9&gssencmode=disable&channel_binding=prefer';
  expect(targetOf(`postgres://a/b?${asManagedOnesGiveIt}&constructor=x`).parameters).toEqual({
    constructor: 'x',
  });
});

test('says about TLS what libpq does', async () => {
  const { cert } = await generate([{ name: 'commonName', value: 'db.example' }], { keyType: 'ec' });
  writeFileSync(file, `# Of ours\n${cert}`);
  const tls = (query: string) => targetOf(`postgres://db.example/x${query}`).tlsTo('db.example');
  expect(tls('')).toBe(false);
  expect(tls('?sslmode=disable')).toBe(false);
  expect(tls('?sslmode=allow')).toBe('prefer');
  expect(tls('?sslmode=require')).toEqual({ rejectUnauthorized: false });
  for (const query of ['?sslmode=verify-full', '?sslrootcert=system', `?sslrootcert=${file}`])
    expect(tls(query)).toMatchObject({ rejectUnauthorized: true, checkServerIdentity: expect.any(Function) });
  expect(tls(`?sslmode=require&sslrootcert=${file}`)).toMatchObject({
    rejectUnauthorized: true,
    ca: expect.stringContaining(cert),
  });
});

test.each([
  ['mysql://a/b', 'must be a URL'],
  ['postgres:', 'must be a URL'],
  ['postgres://a:port/b', 'must be a URL'],
  ['postgres://a,,b:1:2/c', 'must be a URL'],
  ['postgres://a/%zz', 'must be a URL'],
  ['postgres://a:0/b', 'must be a URL'],
  ['postgres://a:99999/b', 'must be a URL'],
  ['postgres://%2Fvar:65536/b', 'must be a URL'],
  ['postgres://a/b?user=x', 'must do without user,'],
  ['postgres://a/b?password=hidden', 'must do without password,'],
  ['postgres://a/b?host=x', 'must do without host,'],
  ['postgres://a/b?port=hidden', 'must do without port,'],
  ['postgres://a/b?dbname=x', 'must do without dbname,'],
  ['postgres://a/b?sslcert=hidden', 'must do without sslcert,'],
  ['postgres://a/b?sslkey=hidden', 'must do without sslkey,'],
  ['postgres://a/b?passfile=hidden', 'must do without passfile,'],
  ['postgres://a/b?channel_binding=require', 'must do without channel_binding,'],
  ['postgres://a/b?gssencmode=require', 'must do without gssencmode,'],
  ['postgres://%2Fvar%zz/b', 'must be a URL'],
  ['postgres://a/b?sslmode=verify', 'must have an sslmode among disable, prefer'],
  ['postgres://a/b?sslmode=require&sslrootcert=system', 'must have sslmode=verify-full'],
  [
    'postgres://a/b?sslmode=verify-ca&sslrootcert=/no/such/file',
    'names an sslrootcert that has no certificate',
  ],
  ['postgres://a/b?sslrootcert=/dev/null', 'names an sslrootcert that has no certificate'],
  ['postgres://a/b?sslrootcert=package.json', 'names an sslrootcert that has no certificate'],
  ['postgres://a/b?target_session_attrs=any', 'must leave target_session_attrs'],
])('%s %s', (url, problem) => {
  const read = readPostgresUrl(url.replace('//', '//user:hidden@'));
  expect(read).toMatchObject({ ok: false, problem: expect.stringContaining(problem) });
  expect(JSON.stringify(read)).not.toContain('hidden');
});
