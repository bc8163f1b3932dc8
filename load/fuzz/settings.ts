/**
 * Of the server that is fuzzed. Leases end soon, so that the end of a run finds what should not be there; every limit is as it is
 * by default, but for the address from which everybody comes.
 */
export const SERVER_SETTINGS = {
  LEASE_TTL_MS: '2000',
  LEASE_TTL_MAX_MS: '3000',
  CHECKOUT_MS: '2000',
  MAX_FRAMES_PER_S: '50',
  MAX_SESSIONS_PER_ADDRESS: '0',
} as const;
