-- Gives the turn to look at what was announced (seatmap/look.ts) to one of the servers that follow the show. It ends when that
-- server says that it has looked, or after the given time if it dies or Postgres does not answer it.
-- ARGV  '1' the caller has looked ('' it asks for the turn), ms from one look to the next, ms that a turn may take
-- reply '1' the caller has the turn, ms until it may be asked for again
if stale then return STALE end

local looked, every, patience = take() == '1', takeNumber(), takeNumber()
local due = tonumber(redis.call('HGET', POS, 'look') or '') or 0
-- A due time further ahead than this script sets it means that the clock of Redis was turned back: it is ignored.
local waits = due > now and due <= now + every
local claimed = not looked and not waits
if looked or claimed then
  due = now + (looked and every or patience)
  redis.call('HSET', POS, 'look', due)
end
return { 'OK', epoch, seq, claimed and '1' or '', due - now }
