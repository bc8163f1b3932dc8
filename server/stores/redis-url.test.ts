import { describe, expect, it } from 'vitest';
import { addressOf, parseRedisUrl } from './redis-url.ts';

describe('parseRedisUrl', () => {
  it('leaves the URL of one server to the client', () => {
    for (const url of ['redis://redis', 'rediss://u:p@redis.example:6380/2?family=6', 'redis://[::1]:6379'])
      expect(parseRedisUrl(url)).toEqual({ kind: 'single', url });
  });

  it('reads the nodes of a cluster, their login and whether by TLS', () => {
    const nodes = [
      { host: 'one.example', port: 7000 },
      { host: '10.0.0.2', port: 6379 },
      { host: '::1', port: 7002 },
    ];
    expect(parseRedisUrl('redis+cluster://one.example:7000,10.0.0.2,[::1]:7002')).toEqual({
      kind: 'cluster',
      nodes,
      login: {},
      tls: false,
    });
    expect(parseRedisUrl('rediss+cluster://app:a%40b%3Ac@one.example:7000/')).toEqual({
      kind: 'cluster',
      nodes: nodes.slice(0, 1),
      login: { username: 'app', password: 'a@b:c' },
      tls: true,
    });
    expect(parseRedisUrl('redis+cluster://:only@one.example:7000')).toMatchObject({
      login: { password: 'only' },
    });
  });

  it('reads sentinels, the name that they watch, and a login for each side', () => {
    const url = 'redis+sentinel://app:secret@one,two:5000/main/3?sentinelUsername=s&sentinelPassword=p%26q';
    expect(parseRedisUrl(url)).toEqual({
      kind: 'sentinel',
      nodes: [
        { host: 'one', port: 26_379 },
        { host: 'two', port: 5_000 },
      ],
      name: 'main',
      db: 3,
      login: { username: 'app', password: 'secret' },
      sentinels: { username: 's', password: 'p&q' },
      tls: false,
    });
  });

  it.each([
    '',
    'redis:x',
    'http://redis',
    'redis://one:1,two:2',
    'redis://:a%zz@one',
    'redis://one:0',
    'redis://one:99999',
    'redis+cluster://one,two:0',
    'redis+cluster://one:65536',
    'redis+sentinel://one:0/main',
    'redis+cluster://',
    'redis+cluster://one,,two',
    'redis+cluster://one:port',
    'redis+cluster://one/1',
    'redis+cluster://one?x=y',
    'redis+cluster://u:%@one',
    'redis+sentinel://one,two',
    'redis+sentinel://one/',
    'redis+sentinel://one/main/first',
    'redis+other://one',
  ])('does not guess: %j', (url) => expect(parseRedisUrl(url)).toBeUndefined());
});

it('shows hosts and ports alone', () => {
  expect(addressOf('redis://:secret@redis')).toBe('redis:6379');
  expect(addressOf('redis+cluster://u:secret@one:1,[::1]')).toBe('one:1, [::1]:6379');
  expect(addressOf('redis+sentinel://u:secret@one/main?sentinelPassword=secret')).toBe('one:26379');
});
