-- The list of shows gives their number of seats, and a show's seats never come or go: counted once, when it is made.
-- NULL for a show that an older server makes while this one runs beside it; such a one is counted when it is listed.
ALTER TABLE shows ADD COLUMN seat_count integer;

UPDATE shows SET seat_count = (SELECT count(*) FROM seats WHERE show_id = shows.id);
