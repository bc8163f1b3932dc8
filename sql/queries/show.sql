-- One show with its seats in layout order; no row when there is none.
-- $1 show id
SELECT id, name, created_at,
  (SELECT json_agg(json_strip_nulls(json_build_object(
      'id', s.id, 'section', s.section, 'row', s."row", 'number', s.number, 'x', s.x, 'y', s.y)) ORDER BY s.position, s.id)
    FROM seats s WHERE s.show_id = shows.id) AS seats
FROM shows WHERE id = $1
