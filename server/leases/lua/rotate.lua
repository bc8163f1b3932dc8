-- Begins a new epoch: the order of changes starts again, and every map of an older epoch is void. Compare-and-set on
-- the epoch that the caller saw, so that of several servers one rotates. Leases stay as the store has them.
-- ARGV  epoch to replace ('' none), new epoch (random, never used before), number of seats; per seat: id, version in Postgres
-- reply the position that holds now, ours or another's
local old, new = take(), take()
if epoch ~= old then return stale and STALE or { 'OK', epoch, seq } end

redis.call('DEL', LOG, SOLD)
-- In slices: Lua's stack does not take a large show at once.
for i = 5, #ARGV, 4000 do redis.call('HSET', SOLD, unpack(ARGV, i, math.min(i + 3999, #ARGV))) end
redis.call('HSET', POS, 'epoch', new, 'seq', 0, 'run', ARGV[1])
for i = 1, 4 do redis.call('EXPIRE', KEYS[i], WEEK_S) end
redis.call('SPUBLISH', FEED, new .. ' 1 0 ')
return { 'OK', new, 0 }
