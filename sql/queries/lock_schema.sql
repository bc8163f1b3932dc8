-- One server at a time changes the schema; until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('rowlock schema', 0))
