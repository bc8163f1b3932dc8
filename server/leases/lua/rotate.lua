-- Begins a new epoch: seq starts again at 0, and every map of an older epoch is void. Compares and sets the epoch that the
-- caller saw, so that only one of several servers rotates. Leases stay as they are in Redis.
-- KEYS  6 what `stage` wrote for this epoch, unless there was nothing
-- ARGV  epoch to replace ('' none), new epoch (random, never used before), number of seats staged
-- reply the position that is valid now. Nothing happens when another server was first, or when staged seats are missing
local old, new, count = take(), take(), takeNumber()
local staged = count > 0 and takeLock()
if epoch ~= old or (staged and redis.call('HLEN', staged) ~= count) then
  if staged then redis.call('UNLINK', staged) end
  return stale and STALE or { 'OK', epoch, seq }
end

-- UNLINK frees the memory of a large show in the background.
redis.call('UNLINK', LOG, SOLD)
if staged then redis.call('RENAME', staged, SOLD) end
redis.call('HSET', POS, 'epoch', new, 'seq', 0, 'run', ARGV[1])
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], WEEK_S) end
redis.call('SPUBLISH', FEED, new .. ' 1 0 ')
return { 'OK', new, 0 }
