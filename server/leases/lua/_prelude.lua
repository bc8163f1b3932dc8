-- Prepended to every script of this folder: what they share.
-- KEYS  1 pos  2 log  3 due  4 sold  5 feed channel  6.. locks
-- ARGV  1 run id of the caller's connection  2.. arguments of the script, read in order with take()
-- Every reply begins with 'OK', epoch, seq; or it is {'STALE', epoch}: Redis lost its data or was replaced. Then nothing was
-- changed, and the caller has to rotate.
--
-- What watchers see of a seat is composed from two records alone: booked when its version in `sold` is odd, else
-- held while it is in `due`, else available. So whatever removes a seat from `due` must announce it in the same step.
local POS, LOG, DUE, SOLD, FEED = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local LOG_ENTRIES, WEEK_S = 10000, 604800
-- A lock under a confirm outlives its lease by this, so that the sweep still finds it and asks Postgres before it ends it.
local UNSWEPT_MS = 60000

local position = redis.call('HMGET', POS, 'epoch', 'seq', 'run')
local epoch, seq = position[1] or '', tonumber(position[2] or '0')
local stale = position[3] ~= ARGV[1]
local STALE = { 'STALE', epoch }

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local argument, lockIndex = 1, 5
local function take() argument = argument + 1; return ARGV[argument] end
local function takeNumber() return tonumber(take()) end
local function takeLock() lockIndex = lockIndex + 1; return KEYS[lockIndex] end
-- 'lock:{show}:' is one character longer than 'feed:{show}'.
local function seatOf(lock) return string.sub(lock, #FEED + 2) end

local function isBooked(seat)
  local version = redis.call('HGET', SOLD, seat)
  return version and tonumber(version) % 2 == 1
end

local function stateOf(seat)
  if isBooked(seat) then return 'booked' end
  return redis.call('ZSCORE', DUE, seat) and 'held' or 'available'
end

-- nil when there is no lease. It is alive until `till`. The sweep finds it by its score in `due`: under a confirm the end of
-- the guard (no transaction can begin after it, so Postgres' answer is final), otherwise the end of the lease.
local function readLease(lock)
  local f = redis.call('HMGET', lock,
    'token', 'conn', 'user', 'lease', 'ttl', 'ends', 'deadline', 'pinned', 'confirming', 'guarded')
  if not f[1] then return nil end
  local ends, guarded = tonumber(f[6]), f[9] and tonumber(f[10])
  return {
    token = f[1], conn = tonumber(f[2]), user = f[3], id = f[4], ttl = tonumber(f[5]),
    ends = ends, deadline = tonumber(f[7]), pinned = f[8], confirming = f[9], guarded = guarded,
    till = guarded and math.max(ends, guarded) or ends,
  }
end

-- conn '' matches any connection (a confirm over HTTP has only the token). A lease that has ended has no owner any more, though
-- its lock may exist until the sweep has asked Postgres.
local function owns(lease, token, conn)
  return lease and lease.till > now and lease.token == token and (conn == '' or lease.conn == tonumber(conn))
end

local function schedule(lock, seat, lease)
  local guarded = lease.guarded
  redis.call('PEXPIREAT', lock, guarded and math.max(lease.ends, guarded) + UNSWEPT_MS or lease.ends)
  redis.call('ZADD', DUE, guarded or lease.ends, seat)
end

local function endLease(lock, seat)
  redis.call('DEL', lock)
  redis.call('ZREM', DUE, seat)
end

-- Never shortens, never passes the deadline.
local function extend(lock, seat, lease, ttl)
  lease.ends = math.max(lease.ends, math.min(now + ttl, lease.deadline))
  redis.call('HSET', lock, 'ends', lease.ends, 'ttl', ttl)
  schedule(lock, seat, lease)
end

-- True when this version of the seat's booking state is newer than what was announced.
local function applyVersion(seat, version)
  if version == '' or tonumber(version) <= tonumber(redis.call('HGET', SOLD, seat) or '0') then return false end
  redis.call('HSET', SOLD, seat, version)
  return true
end

local changes, steps = {}, 0
local CODES = { available = 'a', held = 'h', booked = 'b' }
-- By the lease id a server recognises its own lease; it never reaches a client. With 'held' it names the lease that was just
-- taken. A seat that is held for any other reason is announced without one, so that no server ends its lease by mistake.
local function note(seat, state, lease) changes[#changes + 1] = seat .. ':' .. CODES[state] .. ':' .. lease end

local function change(seat, lease)
  local state = stateOf(seat)
  note(seat, state, state ~= 'held' and lease or '')
end

-- One log entry and one publication for all changes of this call. Called last: Lua has no rollback.
local function publish()
  if #changes == 0 then return end
  local to = redis.call('HINCRBY', POS, 'seq', steps)
  local entry = epoch .. ' ' .. (seq + 1) .. ' ' .. to .. ' ' .. table.concat(changes, ' ')
  seq = to
  redis.call('XADD', LOG, 'MAXLEN', '~', LOG_ENTRIES, to .. '-0', 'e', entry)
  for i = 1, 4 do redis.call('EXPIRE', KEYS[i], WEEK_S) end
  redis.call('SPUBLISH', FEED, entry)
end

-- Applies the versions of any number of seats from the arguments (their number, then id and version of each) as one change.
-- The announced versions are read in slices, not one by one: in a large show hardly any differs.
local function announce()
  local left = takeNumber()
  while left > 0 do
    local seats, versions = {}, {}
    for i = 1, math.min(left, 1000) do seats[i], versions[i] = take(), take() end
    local known = redis.call('HMGET', SOLD, unpack(seats))
    for i, seat in ipairs(seats) do
      if tonumber(versions[i]) > tonumber(known[i] or '0') and applyVersion(seat, versions[i]) then change(seat) end
    end
    left = left - #seats
  end
  steps = #changes > 0 and 1 or 0
  publish()
end
