-- What was run of sql/migrations and sql/functions in this database.
CREATE TABLE IF NOT EXISTS schema_files (
  folder text NOT NULL,
  name text COLLATE "C" NOT NULL,
  digest text NOT NULL,
  run_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (folder, name)
)
