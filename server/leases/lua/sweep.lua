-- Ends the leases that were found due, if nothing changed them since, and reports what is due now. Called without seats it only
-- reports. A lease under a confirm ends only with Postgres' answer (the version); without it, the seat is named in `ask`.
-- ARGV  most seats to report; how many due ones to skip (those waiting for Postgres are first in `due`; the ones that this call
--       names in `ask` are skipped too); number of seats (their locks in KEYS); per seat: the score that was read, version or ''
-- reply {seat, score.. of what is due}, {seats to ask Postgres about..}, ms to the next end (-1: none)
if stale then return STALE end

-- The confirm ended without a booking and without a settle (its server died): the lease continues as before it.
local function liftGuards(lock, seat, lease)
  for _, field in ipairs(redis.call('HKEYS', lock)) do
    if field == 'confirming' or string.sub(field, 1, 5) == 'guard' then redis.call('HDEL', lock, field) end
  end
  lease.guarded = nil
  schedule(lock, seat, lease)
end

local most, skip, ask = take(), takeNumber(), {}
for _ = 1, takeNumber() do
  local score, version, lock = take(), take(), takeLock()
  local seat = seatOf(lock)
  -- Another score: renewed, or released and held again since. It is not due any more.
  if redis.call('ZSCORE', DUE, seat) == score and tonumber(score) <= now then
    local lease = readLease(lock)
    if lease and lease.confirming and version == '' then
      ask[#ask + 1] = seat
    else
      local news = applyVersion(seat, version)
      local goesOn = lease and lease.confirming and lease.ends > now and not isBooked(seat)
      if goesOn then liftGuards(lock, seat, lease) else endLease(lock, seat) end
      if news or not goesOn then change(seat, lease and lease.id) end
    end
  end
end
steps = #changes
publish()

local due = redis.call('ZRANGEBYSCORE', DUE, '-inf', now, 'WITHSCORES', 'LIMIT', skip + #ask, most)
local following = redis.call('ZRANGEBYSCORE', DUE, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
return { 'OK', epoch, seq, due, ask, following[2] and tonumber(following[2]) - now or -1 }
