/** The version of the wire. Raise it with every change of a frame, and pin the new fingerprint beside it. */
export const protocolVersion = 1;

/** The WebSocket subprotocol that names this version: offered by the client, or none at all. */
export const subprotocol = 'rowlock.v1';

/** SHA-256 over the JSON schemas of both frame unions: a test fails when they change without this. */
export const wireFingerprint = '534d08b67302def42098f726bd9b4c8b6873aea27bfb254a94a50771d5975500';
