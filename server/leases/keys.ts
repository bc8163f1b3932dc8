import { feedChannel } from '../feed/channel.ts';

/**
 * Every Redis key. The hash tag keeps all keys of a show in one slot, so one step can change them together and the
 * scripts run on Redis Cluster as they are. Ids have passed the protocol's allow-list: none holds a brace or a colon.
 */
export const soldKey = (showId: string): string => `sold:{${showId}}`;

/** Where the versions wait that an epoch begins with. */
export const stagedKey = (showId: string, epoch: string): string => `${soldKey(showId)}:${epoch}`;

/** `lock:{show}:` is one character longer than the channel's name: the scripts take the seat from it by that. */
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
