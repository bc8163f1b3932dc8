-- Announces booking states that Postgres decided (a refund, a difference that the look found).
-- ARGV  number of seats; per seat: id, version
-- reply nothing but the position
if stale then return STALE end

announce()
return { 'OK', epoch, seq }
