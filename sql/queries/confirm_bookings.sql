-- The whole of a confirm: see sql/functions/confirm_bookings.sql.
-- $1 show id  $2 begin before, Unix ms  $3 request ids  $4 user ids  $5 leases  $6 seat ids  $7 seats' requests  $8 booking ids
SELECT * FROM confirm_bookings($1, $2, $3, $4, $5, $6, $7, $8)
