-- Writes a slice of Postgres' versions for the epoch that is about to begin: all of a large show at once would block Redis for
-- everybody. Nobody reads them before `rotate` takes them over; if it never does, they expire.
-- KEYS  6 staged versions, named by the new epoch
-- ARGV  epoch to replace, number of seats; per seat: id, version in Postgres
-- reply like any step. If the epoch in it is not the one to replace, another server was first and nothing was staged
local STAGED_S = 60
local staged = takeLock()
if epoch == take() then
  takeNumber()
  redis.call('HSET', staged, unpack(ARGV, 4))
  redis.call('EXPIRE', staged, STAGED_S)
end
return stale and STALE or { 'OK', epoch, seq }
