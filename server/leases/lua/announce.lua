-- Announces booking states that Postgres decided (a refund, a difference that the look or a load found). A caller with many
-- seats sends slices; each is one change.
-- ARGV  number of seats; per seat: id, version
-- reply only the position
if stale then return STALE end

announce()
return { 'OK', epoch, seq }
