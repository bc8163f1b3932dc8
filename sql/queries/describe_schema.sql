-- The schema as the catalogs have it, one definition per row, in a fixed order. Bodies of functions are in sql/functions.
WITH tables AS (
  SELECT oid, relname, reloptions FROM pg_class WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace
), definitions (rank, name, definition) AS (
  SELECT 1, typname, format('CREATE TYPE %s AS ENUM (%s);', typname,
    (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = t.oid))
  FROM pg_type t WHERE typtype = 'e' AND typnamespace = current_schema()::regnamespace
  UNION ALL
  SELECT 2, relname, format(E'CREATE TABLE %s (\n%s\n)%s;', relname,
    (SELECT string_agg('  ' || line, E',\n' ORDER BY part, position, line) FROM (
      SELECT 1 AS part, attnum AS position, concat_ws(' ', quote_ident(attname), format_type(atttypid, atttypmod),
        (SELECT 'COLLATE ' || quote_ident(collname) FROM pg_collation WHERE oid = attcollation AND collname <> 'default'),
        (SELECT 'DEFAULT ' || pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = attrelid AND adnum = attnum),
        CASE WHEN attnotnull THEN 'NOT NULL' END) AS line
      FROM pg_attribute WHERE attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
      UNION ALL
      SELECT 2, 0, format('CONSTRAINT %s %s', conname, pg_get_constraintdef(oid))
      FROM pg_constraint WHERE conrelid = tables.oid AND contype <> 'n') lines),
    ' WITH (' || array_to_string(reloptions, ', ') || ')')
  FROM tables
  UNION ALL
  SELECT 3, i.relname, pg_get_indexdef(i.oid) || ';'
  FROM pg_index JOIN pg_class i ON i.oid = indexrelid JOIN tables ON tables.oid = indrelid
  WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = indexrelid AND contype IN ('p', 'u'))
  UNION ALL
  SELECT 4, tgname, pg_get_triggerdef(t.oid) || ';' FROM pg_trigger t JOIN tables ON tables.oid = tgrelid WHERE NOT tgisinternal
  UNION ALL
  SELECT 5, proname, format('-- FUNCTION %s(%s) RETURNS %s', proname, pg_get_function_arguments(oid), pg_get_function_result(oid))
  FROM pg_proc WHERE pronamespace = current_schema()::regnamespace
)
SELECT definition FROM definitions ORDER BY rank, name COLLATE "C"
