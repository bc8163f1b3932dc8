/**
 * The limits that are part of the wire: the same on every server, whatever its configuration. What an operator may
 * choose (seats per hold, the longest TTL, frames per second) the server checks on top, within these.
 */
export const limits = {
  /** One text frame from a client. For a larger one the transport cuts the connection. */
  maxFrameBytes: 16 * 1024,
  /** Seats in one list. That many of the longest ids still fit into one frame. */
  maxSeatsPerFrame: 400,
  /** A JWT in `hello`, in characters. */
  maxTokenLength: 8 * 1024,
  /** How far the clocks of a JWT's issuer and the server may differ. */
  tokenClockToleranceMs: 5_000,

  /** A lease shorter than this could not be kept alive over a slow network. */
  minTtlMs: 500,
  /** No server can be configured beyond this: leases are for minutes, not for days. */
  maxTtlMs: 24 * 60 * 60 * 1000,

  /** Time from connecting to `hello`; then 4502. */
  helloDeadlineMs: 5_000,
  /** How long a `watch` whose `since` is ahead of this server waits for the server to catch up. */
  sinceWaitMs: 1_000,
  /** How long a watcher may leave its socket unread before it is closed with 4008. */
  slowReaderMs: 30_000,

  /** A body of any HTTP call but `POST /shows`. */
  maxBodyBytes: 16 * 1024,
  maxShowBodyBytes: 32 * 1024 * 1024,
  maxSeatsPerShow: 200_000,
  /** The name of a show, in UTF-16 units. */
  maxNameLength: 200,
  /** A section or a row as printed on the ticket, in UTF-16 units. */
  maxLabelLength: 64,
} as const;
