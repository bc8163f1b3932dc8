-- The seats of a show that were ever booked, with the version of their booking state (odd: booked), as two columns of one
-- row: read often, and a row each would take five times as long.
-- $1 show id
SELECT coalesce(json_agg(id), '[]') AS seat_ids, coalesce(json_agg(version), '[]') AS versions
FROM seats WHERE show_id = $1 AND version > 0
