-- All requests in the order of their ids, some at a time.
-- $1 show id, or NULL for all shows  $2 the id before  $3 how many
SELECT request_id::text, user_id::text, show_id, to_json(seat_ids) AS seat_ids, outcome
FROM booking_requests
WHERE request_id > $2::uuid AND ($1::text IS NULL OR show_id = $1) ORDER BY request_id LIMIT $3::int
