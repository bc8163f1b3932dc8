-- After a confirm: ends the winners' leases, gives the losers' back as they were, announces what Postgres decided.
-- Only the lease that the guard saw is touched; a rival who holds the seat by now learns of the booking from the feed.
-- ARGV  per request: guard id, '1' won, '1' the session is gone, its conn ('' any; what a later connection has adopted is given
--       back, not ended), number of seats (their locks in KEYS);
--       per seat: lease id that the guard saw, version of its booking state ('' unknown)
-- reply only the position
if stale then return STALE end

-- Removes the guard. True when the lease ended with it.
local function lift(lock, seat, lease, guard, gone)
  if redis.call('HDEL', lock, 'guard:' .. guard) == 0 then return false end
  if redis.call('HINCRBY', lock, 'confirming', -1) > 0 then return false end
  redis.call('HDEL', lock, 'confirming', 'guarded')
  -- On a booked seat the lease is useless, and would block the seat after a refund.
  if gone or lease.ends <= now or isBooked(seat) then
    endLease(lock, seat)
    return true
  end
  lease.guarded = nil
  schedule(lock, seat, lease)
  return false
end

for _ = 1, takeNumber() do
  local guard, won, gone, conn, count = take(), take() == '1', take() == '1', take(), takeNumber()
  local before = #changes
  for _ = 1, count do
    local id, version, lock = take(), take(), takeLock()
    local seat, lease = seatOf(lock), readLease(lock)
    local changed = applyVersion(seat, version)
    if lease and lease.id == id then
      if won then
        -- Even when its version is no news: a refund may have overtaken this settle.
        endLease(lock, seat)
        changed = true
      else
        local nobodys = gone and not lease.pinned and (conn == '' or lease.conn == tonumber(conn))
        changed = lift(lock, seat, lease, guard, nobodys) or changed
      end
    end
    if changed then change(seat, id) end
  end
  if #changes > before then steps = steps + 1 end
end
publish()
return { 'OK', epoch, seq }
