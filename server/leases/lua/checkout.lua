-- Pins the leases of one session, all or none: they end after the given time, even past their deadline, and survive a
-- disconnect. Pinning them again does not extend them.
-- ARGV  token, conn, time ms (seats: their locks in KEYS)
-- reply {1, ms to the earliest end, ms to each seat's end..} or {0, state of each seat..}
if stale then return STALE end

local token, conn, checkout = take(), take(), takeNumber()
local leases, states, lost = {}, { 0 }, false
for i = 6, #KEYS do
  local lease = readLease(KEYS[i])
  leases[i] = lease
  states[#states + 1] = stateOf(seatOf(KEYS[i]))
  lost = lost or not owns(lease, token, conn)
end
if lost then return { 'OK', epoch, seq, states } end

local pinned, earliest = { 1, 0 }, math.huge
for i = 6, #KEYS do
  local lock, lease = KEYS[i], leases[i]
  if not lease.pinned then
    lease.ends = now + checkout
    -- The end becomes the deadline, so that nothing extends it.
    redis.call('HSET', lock, 'pinned', '1', 'ends', lease.ends, 'deadline', lease.ends)
    schedule(lock, seatOf(lock), lease)
  end
  earliest = math.min(earliest, lease.ends)
  pinned[#pinned + 1] = lease.ends - now
end
pinned[2] = earliest - now
return { 'OK', epoch, seq, pinned }
