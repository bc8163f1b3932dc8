-- Everything a seat map starts from, in one step: first announces what `sold` lacks of Postgres' versions, then reads.
-- ARGV  number of seats; per seat: id, version (read from Postgres before this call)
-- reply {held seats..}, {seat, version.. of every booking state announced}
if stale then return STALE end

announce()
return { 'OK', epoch, seq, redis.call('ZRANGE', DUE, 0, -1), redis.call('HGETALL', SOLD) }
