-- A show with all its seats, or nothing when the id is taken.
-- $1 show id  $2 name  $3 seat ids in layout order, and beside them $4 sections  $5 rows  $6 numbers  $7 xs  $8 ys
WITH created AS (
  INSERT INTO shows (id, name, seat_count) VALUES ($1, $2, cardinality($3::text[])) ON CONFLICT DO NOTHING RETURNING id, created_at
), placed AS (
  INSERT INTO seats (show_id, id, position, section, "row", number, x, y)
  SELECT created.id, s.id, s.position, s.section, s."row", s.number, s.x, s.y
  FROM created, unnest($3::text[], $4::text[], $5::text[], $6::integer[], $7::double precision[], $8::double precision[])
    WITH ORDINALITY AS s (id, section, "row", number, x, y, position)
)
SELECT created_at FROM created
