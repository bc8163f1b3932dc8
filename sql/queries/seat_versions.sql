-- The seats of a show that were ever booked, with the version of their booking state (odd: booked).
-- $1 show id
SELECT id, version FROM seats WHERE show_id = $1 AND version > 0
