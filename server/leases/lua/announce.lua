-- Announces booking states that Postgres decided (a refund, a difference that the look or a load found). The caller sends a
-- large number in slices: one change each.
-- ARGV  number of seats; per seat: id, version
-- reply nothing but the position
if stale then return STALE end

announce()
return { 'OK', epoch, seq }
