/**
 * Settings of the fuzzed server. Leases are short, so that at the end of a run none may be left. All limits have their defaults,
 * except the one on sessions per address, because all clients have the same address.
 */
export const SERVER_SETTINGS = {
  LEASE_TTL_MS: '2000',
  LEASE_TTL_MAX_MS: '3000',
  CHECKOUT_MS: '2000',
  MAX_FRAMES_PER_S: '50',
  MAX_SESSIONS_PER_ADDRESS: '0',
} as const;
