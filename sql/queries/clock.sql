-- The server's clock, Unix ms.
SELECT (extract(epoch FROM clock_timestamp()) * 1000)::double precision AS clock_ms
