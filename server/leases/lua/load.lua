-- Everything a seat map starts from, in one step: first announces what `sold` lacks of Postgres' versions, then reads.
-- ARGV  number of seats; per seat: id, version (read from Postgres before this call)
-- reply {held seats..}, {seat, version.. of every booking state announced}
if stale then return STALE end

for _ = 1, takeNumber() do
  local seat, version = take(), take()
  if applyVersion(seat, version) then change(seat) end
end
steps = #changes > 0 and 1 or 0
publish()
return { 'OK', epoch, seq, redis.call('ZRANGE', DUE, 0, -1), redis.call('HGETALL', SOLD) }
