-- Notes that a file was run; a function's again, if it was dropped since.
-- $1 folder  $2 name  $3 digest of its text
INSERT INTO schema_files (folder, name, digest) VALUES ($1, $2, $3)
ON CONFLICT (folder, name) DO UPDATE SET run_at = now()
