-- The files that were run, with a digest of their text then.
SELECT folder, name, digest FROM schema_files
