import { reasons } from '../observability/reasons.ts';
import { isAboutCertificate } from './certificates.ts';

/** What answers is no Redis for this server: too old, or of another kind than the URL says. */
export class WrongRedis extends Error {}

/** No connection that could be used; its message is one line, without a password. */
export class RedisUnusable extends Error {
  /** Redis itself has answered, and would answer the same again: no waiting changes it. */
  readonly isFinal: boolean;

  constructor(what: string, ...problems: readonly Error[]) {
    super(`${what}: ${problems.map(reasons).join('; ')}`);
    this.isFinal = problems.some(isFinal);
  }
}

/**
 * The first word of a refusal, by Redis or by the sentinels, of whom the client library tells the message alone. Not any word: one
 * that comes later may be a host's name. Clients that Redis has too many of may go.
 */
const REFUSED =
  /^(All sentinels are unreachable[^:]* Last error: )?(WRONGPASS|NOAUTH|NOPERM|ERR(?! max number)) /;

const isFinal = (problem: Error): boolean =>
  problem instanceof RedisUnusable
    ? problem.isFinal
    : problem instanceof WrongRedis || isAboutCertificate(problem) || REFUSED.test(problem.message);
