import {
  type CreateShowBody,
  fault,
  type ShowResponse,
  type ShowSeatsResponse,
  type ShowSummary,
  type ShowsResponse,
  seatsOf,
} from '../../protocol/index.ts';
import type { Show } from '../catalogue/catalogue.ts';
import { mapLimits } from '../limits.ts';
import { later, tooMuch } from '../refusals.ts';
import type { FollowedShow } from '../seatmap/followed-show.ts';
import type { SeatMap } from '../seatmap/seat-map.ts';
import { PostgresUnknown } from '../stores/postgres.ts';
import { type Answer, encoded, json, refusal, versioned } from './answer.ts';
import type { HttpDeps } from './deps.ts';
import type { RequestHead } from './exchange.ts';

/** Each layout is encoded once for all requests: a large show is many megabytes. */
const layouts = new WeakMap<Show, Uint8Array>();
/** The same for seat states: the latest of each map. */
const maps = new WeakMap<SeatMap, { readonly seq: number; readonly bytes: Uint8Array }>();

const etagOfClient = ({ headers }: RequestHead): string | undefined => headers.get('if-none-match');

export async function listShows({ catalogue }: HttpDeps, head: RequestHead): Promise<Answer> {
  const { shows, etag } = await catalogue.list();
  const body: ShowsResponse = { shows: [...shows] };
  return versioned(etag, etagOfClient(head), () => JSON.stringify(body));
}

export async function readShow({ catalogue }: HttpDeps, showId: string, head: RequestHead): Promise<Answer> {
  const show = await catalogue.show(showId);
  if (show === undefined) return refusal(fault('unknown_show'));
  return versioned(show.etag, etagOfClient(head), () => layoutOf(show));
}

/** The current states, from the server's seat map. The show is followed until there is one. */
export async function readSeats({ catalogue, seatMaps }: HttpDeps, showId: string): Promise<Answer> {
  const show = await catalogue.show(showId);
  if (show === undefined) return refusal(fault('unknown_show'));
  const followed = seatMaps.follow(show);
  if (followed === undefined) return refusal(tooMuch());
  try {
    const map = await mapOf(followed);
    return map === undefined ? refusal(later('unavailable')) : encoded(seatsBody(showId, map));
  } finally {
    seatMaps.unfollow(showId);
  }
}

/** Makes a show. This server knows it at once, the others within a second. */
export async function createShow({ catalogue }: HttpDeps, body: CreateShowBody): Promise<Answer> {
  const { id, name } = body;
  const seats = seatsOf(body);
  try {
    const created = await catalogue.create({ id, name, seats });
    if (!created.ok) return refusal(created.fault);
    const answer: ShowSummary = { id, name, seats: seats.length };
    return json(201, answer, { location: `/shows/${id}` });
  } catch (error) {
    if (!(error instanceof PostgresUnknown)) throw error;
    return refusal(later('outcome_unknown', `Whether the show was made is not known: read /shows/${id}.`));
  }
}

async function mapOf(followed: FollowedShow): Promise<SeatMap | undefined> {
  await followed.until(() => followed.map !== undefined, mapLimits.readDeadlineMs);
  return followed.map;
}

function layoutOf(show: Show): Uint8Array {
  const known = layouts.get(show);
  if (known !== undefined) return known;
  const body: ShowResponse = { id: show.id, name: show.name, seats: [...show.seats] };
  const bytes = Buffer.from(JSON.stringify(body));
  layouts.set(show, bytes);
  return bytes;
}

function seatsBody(showId: string, map: SeatMap): Uint8Array {
  const { epoch, seq } = map;
  const known = maps.get(map);
  if (known?.seq === seq) return known.bytes;
  const body: ShowSeatsResponse = {
    showId,
    epoch,
    seq,
    held: map.seatsIn('held'),
    booked: map.seatsIn('booked'),
  };
  const bytes = Buffer.from(JSON.stringify(body));
  maps.set(map, { seq, bytes });
  return bytes;
}
