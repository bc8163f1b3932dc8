/** The sharded Pub/Sub channel of a show's changes. Its hash tag puts it into the same cluster slot as the show's keys. */
export const feedChannel = (showId: string): string => `feed:{${showId}}`;
export const showOfChannel = (channel: string): string => channel.slice('feed:{'.length, -1);
