-- Renews the unpinned leases of a batch of sessions by their own TTLs. Never shortens, never passes the deadline, never
-- re-creates. It changes no seat's state: no seq, no publication.
-- ARGV  per request: token, conn, '1' to renew or '' to look only, number of seats (their locks in KEYS)
-- reply per request: {ms to the end of each seat's lease.., -1 where it is not the caller's any more}
if stale then return STALE end

local reply = { 'OK', epoch, seq }
for _ = 1, takeNumber() do
  local token, conn, renew, count = take(), take(), take() == '1', takeNumber()
  local left = {}
  for i = 1, count do
    local lock = takeLock()
    local lease = readLease(lock)
    if not owns(lease, token, conn) then
      left[i] = -1
    else
      if renew and not lease.pinned then extend(lock, seatOf(lock), lease, lease.ttl) end
      left[i] = math.max(0, lease.ends - now)
    end
  end
  reply[#reply + 1] = left
end
return reply
