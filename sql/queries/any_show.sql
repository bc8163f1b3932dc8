-- Whether there is a show at all; reads one row at the most.
SELECT EXISTS (SELECT FROM shows) AS "exists"
