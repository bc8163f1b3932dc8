import { randomUUID } from 'node:crypto';

/** A UUIDv7: ids of the same time are next to each other in the index, so inserts touch its last page instead of any page. */
export function mintBookingId(nowMs: number = Date.now()): string {
  const time = nowMs.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${randomUUID().slice(15)}`;
}
