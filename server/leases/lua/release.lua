-- Ends or shortens leases for a batch of requests. Leaves alone what is not the caller's, what is under a confirm (the settle
-- will end it), and pinned leases unless the seats were named by the client.
-- ARGV  per request: token, conn, lease id ('' any; an undo names that of its attempt), '1' when the client named the seats,
--       grace ms (0: end now; else end after it), number of seats (their locks in KEYS)
-- reply per request: {seats that were the caller's and are free now..}
if stale then return STALE end

local reply = { 'OK', epoch, 0 }
for _ = 1, takeNumber() do
  local token, conn, id, named, grace, count = take(), take(), take(), take() == '1', takeNumber(), takeNumber()
  local freed, before = {}, #changes
  for _ = 1, count do
    local lock = takeLock()
    local seat, lease = seatOf(lock), readLease(lock)
    local asked = owns(lease, token, conn) and (id == '' or id == lease.id)
    if asked and not lease.confirming and (named or not lease.pinned) then
      if grace > 0 then
        lease.ends = math.min(lease.ends, now + grace)
        redis.call('HSET', lock, 'ends', lease.ends)
        schedule(lock, seat, lease)
      else
        endLease(lock, seat)
        change(seat, lease.id)
        if not isBooked(seat) then freed[#freed + 1] = seat end
      end
    end
  end
  if #changes > before then steps = steps + 1 end
  reply[#reply + 1] = freed
end
publish()
reply[3] = seq
return reply
