-- Before a confirm: marks the leases of each request, all or none, so that nothing ends them while Postgres decides.
-- ARGV  per request: guard id, token, conn ('' any), guard ms, number of seats (their locks in KEYS)
-- reply per request: {1, lease id of each seat..} or {0, state of each seat..}
if stale then return STALE end

local reply = { 'OK', epoch, seq }
for _ = 1, takeNumber() do
  local guard, token, conn, guardMs, count = take(), take(), take(), takeNumber(), takeNumber()
  local locks, leases, lost = {}, {}, false
  for i = 1, count do
    locks[i] = takeLock()
    leases[i] = readLease(locks[i])
    lost = lost or not owns(leases[i], token, conn)
  end
  local outcome = { lost and 0 or 1 }
  for i = 1, count do
    local lock, lease, seat = locks[i], leases[i], seatOf(locks[i])
    if lost then
      outcome[1 + i] = stateOf(seat)
    else
      -- One field per guard: a settle that arrives twice, or after another confirm of the same lease, removes only its own.
      if redis.call('HSETNX', lock, 'guard:' .. guard, '1') == 1 then redis.call('HINCRBY', lock, 'confirming', 1) end
      lease.guarded = math.max(lease.guarded or 0, now + guardMs)
      redis.call('HSET', lock, 'guarded', lease.guarded)
      schedule(lock, seat, lease)
      outcome[1 + i] = lease.id
    end
  end
  reply[#reply + 1] = outcome
end
return reply
