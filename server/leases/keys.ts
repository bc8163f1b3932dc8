import { feedChannel } from '../feed/channel.ts';

/*
 * Every Redis key. The hash tag keeps all keys of a show in one slot, so one step can change them together and the
 * scripts run on Redis Cluster as they are. Ids have passed the protocol's allow-list: none contains a brace or a colon.
 */
/** Hash: seat → the version of its booking state that was last announced. */
export const soldKey = (showId: string): string => `sold:{${showId}}`;

/** The versions that a new epoch will begin with, until `rotate` takes them over. */
export const stagedKey = (showId: string, epoch: string): string => `${soldKey(showId)}:${epoch}`;

/** `lock:{show}:` is one character longer than the channel `feed:{show}`: the scripts cut the seat's id out by that. */
export const lockKey = (showId: string, seatId: string): string => `lock:{${showId}}:${seatId}`;

/** The keys of a step, in the order that the scripts' prelude expects; locks stand behind the channel. */
export const stepKeys = (showId: string, seatIds: readonly string[]): string[] => [
  `pos:{${showId}}`,
  `log:{${showId}}`,
  `due:{${showId}}`,
  soldKey(showId),
  feedChannel(showId),
  ...seatIds.map((seatId) => lockKey(showId, seatId)),
];
