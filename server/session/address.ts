import { isIPv6 } from 'node:net';

/** Mapped, and translated. */
const HOLDS_IPV4 = new Set(['0:0:0:0:0:ffff', '64:ff9b:0:0:0:0']);

/**
 * By what connections are counted as one client's: an IPv4 address, or the first half of an IPv6 address, for whoever has one
 * has its whole /64 as a rule, more addresses than could ever be counted. Behind a translator (64:ff9b::/96, RFC 6052) the IPv4 address counts. What is no address (`unknown`) is left as it is.
 */
export function clientOf(address: string): string {
  // Some proxies add the port, a new one for each connection.
  const bare = /^\[(.*)\](?::\d+)?$/.exec(address)?.[1] ?? /^([\d.]+):\d+$/.exec(address)?.[1] ?? address;
  const [host = ''] = bare.split('%');
  if (!isIPv6(host)) return bare;
  const groups = groupsOf(host);
  return HOLDS_IPV4.has(groups.slice(0, 6).join(':'))
    ? ipv4Of(groups.slice(6))
    : `${groups.slice(0, 4).join(':')}::/64`;
}

/** All eight, in their shortest form. */
function groupsOf(ipv6: string): string[] {
  const shortest = new URL(`http://[${ipv6}]`).hostname.slice(1, -1);
  const [before = [], after = []] = shortest.split('::').map((part) => part.split(':').filter(Boolean));
  return [...before, ...Array<string>(8 - before.length - after.length).fill('0'), ...after];
}

const ipv4Of = (groups: readonly string[]): string =>
  [...Buffer.from(groups.map((group) => group.padStart(4, '0')).join(''), 'hex')].join('.');
