/** The sharded channel of a show's changes. The hash tag puts it into the slot of the show's keys. */
export const feedChannel = (showId: string): string => `feed:{${showId}}`;
export const showOfChannel = (channel: string): string => channel.slice('feed:{'.length, -1);
