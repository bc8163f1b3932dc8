-- As seat_versions.sql, of some seats, those that were never booked included.
-- $1 show id  $2 seat ids
SELECT coalesce(json_agg(id), '[]') AS seat_ids, coalesce(json_agg(version), '[]') AS versions
FROM seats WHERE show_id = $1 AND id = ANY ($2)
