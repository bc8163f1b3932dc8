-- The files that were run.
SELECT folder, name FROM schema_files
