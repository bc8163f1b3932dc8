-- Lays a slice of Postgres' versions aside for the epoch that is about to begin: at once, those of a large show would stop
-- Redis for everybody. What is staged is nobody's truth before `rotate` takes it over, and goes by itself if it never does.
-- KEYS  6 staged versions, named by the new epoch
-- ARGV  epoch to replace, number of seats; per seat: id, version in Postgres
-- reply like any step; the epoch is another than the one to replace when somebody else was quicker: nothing is staged
local STAGED_S = 60
local staged = takeLock()
if epoch == take() then
  takeNumber()
  redis.call('HSET', staged, unpack(ARGV, 4))
  redis.call('EXPIRE', staged, STAGED_S)
end
return stale and STALE or { 'OK', epoch, seq }
