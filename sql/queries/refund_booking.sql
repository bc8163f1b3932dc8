-- See sql/functions/refund_booking.sql.
-- $1 request id
SELECT * FROM refund_booking($1)
