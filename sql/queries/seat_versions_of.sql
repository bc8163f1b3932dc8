-- The versions of some seats' booking states (odd: booked).
-- $1 show id  $2 seat ids
SELECT id, version FROM seats WHERE show_id = $1 AND id = ANY ($2)
