-- What Postgres says is booked.
-- $1 show id, or NULL for all shows
SELECT show_id, json_agg(id) AS seat_ids FROM seats
WHERE status = 'BOOKED' AND ($1::text IS NULL OR show_id = $1) GROUP BY show_id
