-- The migrations that were run, and the functions that exist in the schema in use: one that was dropped is to be made again.
SELECT folder, name FROM schema_files WHERE folder = 'migrations'
UNION ALL
SELECT 'functions', proname FROM pg_proc
WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
