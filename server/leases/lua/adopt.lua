-- Hands the leases of a session to the connection that resumed it, and renews them. Raises `conn`, so that the connection
-- they belonged to can neither renew nor release them, however late it closes.
-- ARGV  token, user, conn proposed by the caller (seats: their locks in KEYS)
-- reply {conn that owns them now, then per seat: ms to the end or -1, ms to the deadline, lease id, '1' if pinned..}
-- publishes 'superseded <conn> <lease id>..' without a seq: the earlier connection's server closes its socket
if stale then return STALE end

local token, user, conn = take(), take(), takeNumber()
local leases = {}
for i = 6, #KEYS do
  local lease = readLease(KEYS[i])
  if lease and lease.token == token and lease.user == user and lease.till > now then
    leases[i] = lease
    if lease.conn >= conn then conn = lease.conn + 1 end
  end
end

local reply, ids = { conn }, {}
for i = 6, #KEYS do
  local lock, lease, n = KEYS[i], leases[i], #reply
  if lease then
    redis.call('HSET', lock, 'conn', conn)
    if not lease.pinned then extend(lock, seatOf(lock), lease, lease.ttl) end
    ids[#ids + 1] = lease.id
    reply[n + 1], reply[n + 2] = math.max(0, lease.ends - now), lease.deadline - now
    reply[n + 3], reply[n + 4] = lease.id, lease.pinned or ''
  else
    reply[n + 1], reply[n + 2], reply[n + 3], reply[n + 4] = -1, 0, '', ''
  end
end
if #ids > 0 then redis.call('SPUBLISH', FEED, 'superseded ' .. conn .. ' ' .. table.concat(ids, ' ')) end
return { 'OK', epoch, seq, reply }
