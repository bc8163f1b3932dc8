-- Takes leases for a batch of requests, each all or nothing; a request sees what the ones before it took.
-- ARGV  per request: token, conn, user, lease id of this attempt, ttl ms, longest hold ms, number of seats (their locks in KEYS)
-- reply per request: {1, seq, then ms to the end, ms to the deadline, lease id, '1' if pinned.. for every seat}
--                 or {0, then seat, state, '1' when another session of the user holds it.. for every seat in the way}
if stale then return STALE end

local function conflict(seat, lease, token, conn, user)
  if isBooked(seat) then return 'booked', '' end
  if not lease then return nil end
  -- A lower conn is an earlier connection of this session: it must not touch what a later one has adopted.
  local own = lease.token == token and lease.conn <= conn
  -- A lease under a confirm whose time is over: Postgres decides first what becomes of it, even for its owner.
  local undecided = lease.confirming and lease.till <= now
  if own and not undecided then return nil end
  return 'held', (lease.user == user and lease.token ~= token) and '1' or ''
end

local reply = { 'OK', epoch, 0 }
for _ = 1, takeNumber() do
  local token, conn, user, attempt = take(), takeNumber(), take(), take()
  local ttl, longest, count = takeNumber(), takeNumber(), takeNumber()
  local locks, leases, refusal = {}, {}, { 0 }
  for i = 1, count do
    locks[i] = takeLock()
    leases[i] = readLease(locks[i])
    local seat = seatOf(locks[i])
    local state, yours = conflict(seat, leases[i], token, conn, user)
    if state then
      local n = #refusal
      refusal[n + 1], refusal[n + 2], refusal[n + 3] = seat, state, yours
    end
  end
  if #refusal > 1 then
    reply[#reply + 1] = refusal
  else
    local grant, taken = { 1, 0 }, 0
    for i = 1, count do
      local lock, lease, seat = locks[i], leases[i], seatOf(locks[i])
      if lease then
        redis.call('HSET', lock, 'conn', conn)
        extend(lock, seat, lease, ttl)
      else
        lease = { id = attempt, ends = now + math.min(ttl, longest), deadline = now + longest }
        redis.call('HSET', lock, 'token', token, 'conn', conn, 'user', user, 'lease', attempt, 'ttl', ttl,
          'ends', lease.ends, 'deadline', lease.deadline)
        schedule(lock, seat, lease)
        note(seat, 'held', attempt)
        taken = 1
      end
      local n = #grant
      grant[n + 1], grant[n + 2] = lease.ends - now, lease.deadline - now
      grant[n + 3], grant[n + 4] = lease.id, lease.pinned or ''
    end
    steps = steps + taken
    grant[2] = seq + steps
    reply[#reply + 1] = grant
  end
end
publish()
reply[3] = seq
return reply
