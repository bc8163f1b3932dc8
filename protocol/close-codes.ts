/** Why the server closed the socket. The range says whether to come back. */
export const closeCodes = {
  /** A binary frame: this protocol is text. */
  binaryFrame: 1003,

  /** 4000–4499: connect again, and resume with `session`. */
  draining: 4001,
  tooSlow: 4008,

  /** 4500–4999: do not come back with the same behaviour or the same token. */
  unauthorized: 4501,
  noHello: 4502,
  abuse: 4503,
  superseded: 4504,
} as const;

export type CloseCode = (typeof closeCodes)[keyof typeof closeCodes];

/** Whether a client should connect again on its own after this close code; a broken connection (1006) counts too. */
export function mayReconnect(code: number): boolean {
  if (code >= 4000 && code < 5000) return code < 4500;
  return code !== 1000 && code !== closeCodes.binaryFrame;
}
