import { randomBytes } from 'node:crypto';

const serverId = randomBytes(9).toString('base64url');
let minted = 0;

/** The id of one grant or guard, unique among all servers and for ever. Not a secret: it authorises nothing. */
export const mintLeaseId = (): string => `${serverId}.${(++minted).toString(36)}`;

/** A fresh epoch: random, so that none is ever used twice. */
export const mintEpoch = (): string => randomBytes(12).toString('base64url');
