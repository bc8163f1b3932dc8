import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { errorBody } from '../../protocol/http.ts';
import { variables } from '../config/variables.ts';
import { readConfig } from '../config.ts';
import { sessionLimits } from '../limits.ts';
import { timing } from '../workers/timing.ts';

/** How haproxy.cfg, docker-compose.yml and the server's own settings hang together; on an engine: containers.compose.test.ts. */

const file = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const haproxy = file('server/balancer/haproxy.cfg');
const compose = file('docker-compose.yml');
const services = new Map(compose.split(/^ {2}(?=\w[\w-]*:$)/m).map((text) => [text.split(':')[0], text]));
const secondsIn = (text: string | undefined, pattern: RegExp) => Number(pattern.exec(text ?? '')?.[1]) * 1000;

it('names no two of its sections alike, which HAProxy refuses from 3.3 on', () => {
  const names = [...haproxy.matchAll(/^(?:frontend|backend|listen|resolvers) (\S+)/gm)].map(
    ([, name]) => name,
  );
  expect(names).toEqual([...new Set(names)]);
});

it('answers for servers that do not, in the words of the protocol', () => {
  const bodies = [...haproxy.matchAll(/http-error status (\d+) .* string '(.*)'/g)];
  const told = bodies.map(([, status, body = '']) => [status, errorBody.parse(JSON.parse(body)).code]);
  // An attempt that reached a server may have booked.
  expect(Object.fromEntries(told)).toEqual({
    502: 'outcome_unknown',
    503: 'unavailable',
    504: 'outcome_unknown',
  });
});

it('finds the servers where the compose file has them', () => {
  const [, name = '', port] = /server-template server \d+ (\w+):(\d+)/.exec(haproxy) ?? [];
  expect(services.has(name)).toBe(true);
  const read = readConfig({});
  expect(read.ok && String(read.config.port)).toBe(port);
  expect(file('server/observability/prometheus.yml')).toContain(`names: [${name}]`);
});

it('finds the same servers twice: ready ones first, and those that live when none is', () => {
  const backend = (name: string) =>
    haproxy.split(new RegExp(`^backend ${name}$`, 'm'))[1]?.split(/^\w/m)[0] ?? '';
  const serversOf = (name: string) => /server-template .*/.exec(backend(name))?.[0];
  expect(serversOf('ready')).toBe(serversOf('living'));
  expect(backend('ready')).toContain('uri /readyz ');
  expect(backend('living')).toContain('uri /livez ');
  expect(backend('ready')).toMatch(/^ {2}server living abns@living no-check backup$/m);
  expect(haproxy).toMatch(/^frontend second-try\n {2}bind abns@living\n {2}default_backend living\n/m);
  expect(haproxy).toContain('monitor fail if { nbsrv(living) eq 0 }');
  // A store that is away is no reason to restart anything.
  expect(file('server/Dockerfile')).toMatch(/^HEALTHCHECK .*\n.*\/livez'/m);
});

it('leaves everybody the time that they need', () => {
  const read = readConfig({});
  const drainMs = read.ok ? read.config.drainMs : 0;
  const serverMs = secondsIn(services.get('server'), /stop_grace_period: (\d+)s/);
  const balancerMs = secondsIn(services.get('balancer'), /stop_grace_period: (\d+)s/);
  expect(drainMs).toBeGreaterThan(0);
  expect(serverMs, 'or the engine kills a server that drains').toBeGreaterThan(drainMs + timing.closeMs);
  expect(balancerMs, 'or sockets are cut before their server has closed them').toBeGreaterThan(serverMs);
  // Not the patience of a stop, but of a reload: whoever holds seats shall not notice it.
  expect(haproxy).toMatch(/^ {2}hard-stop-after \d+h$/m);
  const tunnelMs = secondsIn(haproxy, /timeout tunnel (\d+)s/);
  expect(tunnelMs, 'silence is for the server to judge').toBeGreaterThan(sessionLimits.idleTimeoutS * 1000);
});

describe('docker-compose.yml', () => {
  /** What belongs to the file's own parts: a port, stores, the proxy in front, the patience of whoever stops them. */
  const fixed = ['PORT', 'HOST', 'DATABASE_URL', 'REDIS_URL', 'TRUST_PROXY', 'DRAIN_MS'];

  it('hands every setting on that it does not make itself', () => {
    const [, text = ''] = /^ {4}environment:\n((?: {6}.*\n)+)/m.exec(services.get('server') ?? '') ?? [];
    const handedOn = [...text.matchAll(/^ {6}([A-Z_]+): *$/gm)].map(([, name]) => name);
    const expected = Object.values(variables).map(({ name }) => name);
    expect(handedOn).toEqual(expected.filter((name) => !fixed.includes(name)));
  });

  it('keeps what an operator has set beyond the next `up`, and beyond an edit', () => {
    expect(services.get('server')).toMatch(/^ {4}scale: \$\{SERVERS:-\d+\}$/m);
    // A file that is replaced while its container runs would stay the old one in there, whatever is reloaded.
    expect(services.get('balancer')).toMatch(/^ {6}- \.\/server\/balancer:\/usr\/local\/etc\/haproxy:ro$/m);
  });

  it('opens nothing to other machines unless it is told to', () => {
    const lists = [...compose.matchAll(/^ {4}ports:\n((?: {6}- .*\n)+)/gm)];
    expect(lists).toHaveLength(3);
    for (const [, list = ''] of lists)
      expect(list).toMatch(/^ {6}- "(127\.0\.0\.1|\$\{BIND_ADDRESS:-127\.0\.0\.1\}):.*\n$/);
  });

  it('pins every image, and bounds the log of every service', () => {
    const running = [...services].filter(([, text]) => /^ {4}(image|build):/m.test(text));
    expect(running).toHaveLength(6);
    for (const [name, text] of running) {
      expect(text, name).toContain('    <<: *service\n');
      if (!text.includes('    build:')) expect(text, name).toMatch(/^ {4}image: \S+:v?\d+\.\d+/m);
    }
    expect(/^x-service: &service\n(?: {2}.*\n)+/m.exec(compose)?.[0]).toMatch(
      /restart: unless-stopped[\s\S]*max-size/,
    );
  });
});
