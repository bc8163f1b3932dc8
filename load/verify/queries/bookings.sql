-- All bookings in the order of their ids, some at a time.
-- $1 show id, or NULL for all shows  $2 the id before  $3 how many
SELECT b.id::text, b.show_id, b.seat_id, b.user_id::text, b.request_id::text, b.cancelled_at IS NOT NULL AS cancelled,
  EXISTS (SELECT FROM seats s WHERE s.show_id = b.show_id AND s.id = b.seat_id) AS seat_exists
FROM bookings b
WHERE b.id > $2::uuid AND ($1::text IS NULL OR b.show_id = $1) ORDER BY b.id LIMIT $3::int
