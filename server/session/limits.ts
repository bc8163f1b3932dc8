/** What one connection may cost the server, beside what the configuration and the wire limit. */
export const sessionLimits = {
  /** Bytes that uWebSockets.js may buffer for one socket; a frame beyond is dropped and the socket resynchronised. */
  maxBackpressureBytes: 256 * 1024,
  /** Replies kept for a socket that takes none; one more closes it. Every client frame is owed one. */
  maxUnsentReplies: 512,
  maxUnsentBytes: 4 * 1024 * 1024,
  /** Frames of one session under way at the same time; further ones are answered `busy`. */
  maxUnderWay: 512,
  /** Refused frames (bad, unsupported, too many a second): this many at once and per second, then 4503. */
  offencesBurst: 100,
  offencesPerS: 10,
  /** A socket that says nothing for so long is cut; uWebSockets.js pings in time, so a living client never is. */
  idleTimeoutS: 32,
  /** Sockets closed at once when the server drains: each close is work for the next server too. */
  drainBatch: 500,
  drainBatchEveryMs: 20,
  /** Clients are told to reconnect at a random moment within this. */
  reconnectSpreadMs: 1_000,
} as const;
