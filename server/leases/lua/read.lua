-- The changes after a seq, from the log.
-- ARGV  seq, most entries
-- reply {entries..}, oldest first; the log is capped, so the first may begin later than asked for
if stale then return STALE end

local after, most = takeNumber(), take()
local entries = {}
local found = redis.call('XRANGE', LOG, (after + 1) .. '-0', '+', 'COUNT', most)
for i, entry in ipairs(found) do entries[i] = entry[2][2] end
return { 'OK', epoch, seq, entries }
