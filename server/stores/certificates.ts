/**
 * Node's codes for what is wrong with a certificate: `CERT_HAS_EXPIRED`, `DEPTH_ZERO_SELF_SIGNED_CERT`,
 * `UNABLE_TO_VERIFY_LEAF_SIGNATURE`, `ERR_TLS_CERT_ALTNAME_INVALID`, … Its messages would not do: others have a host's name in
 * them, and it may be `certificates.internal`.
 */
const CODES = /CERT|SIGNATURE|^INVALID_(CA|PURPOSE)$|^HOSTNAME_MISMATCH$/;

/** The other end has shown a certificate that is not accepted, or accepts none of ours: it is up, and the same next time. */
export const isAboutCertificate = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && CODES.test(String(error.code));
