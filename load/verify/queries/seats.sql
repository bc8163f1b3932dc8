-- Seats whose status or version is not what their bookings say, and how many bookings each of them has.
-- $1 show id, or NULL for all shows
SELECT s.show_id, s.id AS seat_id, s.status::text, s.version::text, coalesce(b.live, 0)::int AS live
FROM seats s
LEFT JOIN (
  SELECT show_id, seat_id, count(*) AS live FROM bookings WHERE cancelled_at IS NULL GROUP BY show_id, seat_id
) b ON b.show_id = s.show_id AND b.seat_id = s.id
WHERE ($1::text IS NULL OR s.show_id = $1)
  AND ((s.status = 'BOOKED') <> (coalesce(b.live, 0) > 0) OR (s.status = 'BOOKED') <> (s.version % 2 = 1))
ORDER BY s.show_id, s.id LIMIT 1000
