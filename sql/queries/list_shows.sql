-- The catalogue, oldest first.
-- $1 at most so many
SELECT id, name, coalesce(seat_count, (SELECT count(*) FROM seats WHERE show_id = shows.id)) AS seats
FROM shows ORDER BY created_at, id LIMIT $1
