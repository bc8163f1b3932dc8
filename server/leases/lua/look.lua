-- Shares out the look at what was announced (seatmap/look.ts): of all servers that follow the show one has it at a time. It is
-- that one's until it says that it has looked; one that dies over it, or whose Postgres does not answer, loses it by time.
-- ARGV  '1' the caller has looked ('' it asks), ms from one look to the next, ms that whoever has it may take
-- reply '1' it is the caller's, ms until it may be asked for again
if stale then return STALE end

local looked, every, patience = take() == '1', takeNumber(), takeNumber()
local due = tonumber(redis.call('HGET', POS, 'look') or '') or 0
-- Further ahead than anybody sets it the clock of Redis was turned back, and what is no time is never waited for.
local waits = due > now and due <= now + every
local claimed = not looked and not waits
if looked or claimed then
  due = now + (looked and every or patience)
  redis.call('HSET', POS, 'look', due)
end
return { 'OK', epoch, seq, claimed and '1' or '', due - now }
