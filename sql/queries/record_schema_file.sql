-- Notes that a file was run.
-- $1 folder  $2 name  $3 digest of its text
INSERT INTO schema_files (folder, name, digest) VALUES ($1, $2, $3)
