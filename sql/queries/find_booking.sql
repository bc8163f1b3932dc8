-- A booking by the request that made it; no row for a refused or unknown request.
-- $1 request id
SELECT r.user_id, r.show_id, r.created_at, max(b.cancelled_at) AS refunded_at,
  json_agg(json_build_object('bookingId', b.id, 'seatId', b.seat_id) ORDER BY b.seat_id) AS bookings
FROM booking_requests r JOIN bookings b USING (request_id)
WHERE r.request_id = $1
GROUP BY r.request_id
