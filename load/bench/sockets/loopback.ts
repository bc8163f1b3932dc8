/** Several addresses are used, because one has only 28 thousand ports, and those of closed connections are free only after a minute. */
const SOCKETS_PER_ADDRESS = 2_000;
const ADDRESSES = 200;

/** The local address of the nth socket of a process. */
export const loopbackFor = (n: number): string =>
  `127.0.0.${2 + (Math.floor(n / SOCKETS_PER_ADDRESS) % ADDRESSES)}`;
