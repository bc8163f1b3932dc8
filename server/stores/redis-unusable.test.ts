import { describe, expect, it } from 'vitest';
import { RedisUnusable, WrongRedis } from './redis-unusable.ts';

const unusable = (...problems: Error[]) => new RedisUnusable('cannot use Redis at x:1', ...problems);
const coded = (code: string, message: string) => Object.assign(new Error(message), { code });
const bySentinels = (last: string) =>
  new Error(`All sentinels are unreachable and retry is disabled. Last error: ${last}`);

describe('a Redis that cannot be used', () => {
  it.each([
    new Error('WRONGPASS invalid username-password pair or user is disabled.'),
    new Error('NOAUTH HELLO must be called with the client already authenticated'),
    new Error("NOPERM this user has no permissions to run the 'info' command"),
    new Error('ERR DB index is out of range'),
    bySentinels('WRONGPASS invalid username-password pair or user is disabled.'),
    bySentinels("ERR unknown command 'sentinel'"),
    new WrongRedis('version 6.2.0 is too old, 7 is needed'),
    coded('DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate'),
  ])('has the last word with: %s', (problem) => {
    expect(unusable(problem).isFinal).toBe(true);
    // As a cluster tells of its nodes.
    expect(unusable(new Error('no answer'), unusable(problem)).isFinal).toBe(true);
  });

  it.each([
    coded('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:1'),
    coded('ENOTFOUND', 'getaddrinfo ENOTFOUND certificate-store.internal'),
    coded('ENOTFOUND', 'getaddrinfo ENOTFOUND NOPERM.example'),
    coded('EAI_AGAIN', 'getaddrinfo EAI_AGAIN ERR'),
    new Error('ERR max number of clients reached'),
    new Error('LOADING Redis is loading the dataset in memory'),
    bySentinels('Connection is closed.'),
    bySentinels('getaddrinfo ENOTFOUND WRONGPASS'),
    bySentinels('ERR max number of clients reached'),
  ])('may come up yet with: %s', (problem) => {
    expect(unusable(problem).isFinal).toBe(false);
    expect(unusable(new Error('no answer'), unusable(problem)).isFinal).toBe(false);
  });

  it('says in one line what is wrong, with everything', () => {
    const problem = coded('ECONNREFUSED', '');
    expect(String(unusable(problem, new Error('no\n answer')))).toBe(
      'Error: cannot use Redis at x:1: ECONNREFUSED; no answer',
    );
  });
});
