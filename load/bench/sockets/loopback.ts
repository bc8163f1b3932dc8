/** One loopback address has 28 thousand ports, and those of closed connections stay taken for a minute. */
const SOCKETS_PER_ADDRESS = 2_000;
const ADDRESSES = 200;

/** Where the nth socket of a process comes from. */
export const loopbackFor = (n: number): string =>
  `127.0.0.${2 + (Math.floor(n / SOCKETS_PER_ADDRESS) % ADDRESSES)}`;
