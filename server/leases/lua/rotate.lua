-- Begins a new epoch: the order of changes starts again, and every map of an older epoch is void. Compare-and-set on
-- the epoch that the caller saw, so that of several servers one rotates. Leases stay as the store has them.
-- KEYS  6 what `stage` laid aside for this epoch, unless there is nothing
-- ARGV  epoch to replace ('' none), new epoch (random, never used before), number of seats staged
-- reply the position that holds now, ours or another's; nothing happens either when not all that was staged is still there
local old, new, count = take(), take(), takeNumber()
local staged = count > 0 and takeLock()
if epoch ~= old or (staged and redis.call('HLEN', staged) ~= count) then
  if staged then redis.call('UNLINK', staged) end
  return stale and STALE or { 'OK', epoch, seq }
end

-- The memory of a large show is freed beside the other commands.
redis.call('UNLINK', LOG, SOLD)
if staged then redis.call('RENAME', staged, SOLD) end
redis.call('HSET', POS, 'epoch', new, 'seq', 0, 'run', ARGV[1])
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], WEEK_S) end
redis.call('SPUBLISH', FEED, new .. ' 1 0 ')
return { 'OK', new, 0 }
