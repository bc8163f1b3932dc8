-- The catalogue, oldest first.
-- $1 at most so many
SELECT id, name, seats FROM (SELECT * FROM shows ORDER BY created_at, id LIMIT $1) listed,
  LATERAL (SELECT count(*) AS seats FROM seats WHERE show_id = listed.id) counted
ORDER BY created_at, id
