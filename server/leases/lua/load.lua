-- A slice of what a seat map starts from. Reading a large show at once would block Redis for everybody, so it is read in
-- slices, and the show changes in between: together they are exact only once the log was applied from the position of the
-- FIRST slice on. (Whatever changed after that is in the log, with its resulting state.)
-- ARGV  cursors into what is held and into what was announced ('0' to begin, '' nothing more), seats to read of each, about
-- reply the two cursors to continue with, {held seats..}, {seat, version.. as announced}; a seat may come twice
if stale then return STALE end

local count = ARGV[4]
local function scan(command, key, cursor)
  if cursor == '' then return '', {} end
  local page = redis.call(command, key, cursor, 'COUNT', count)
  return page[1] == '0' and '' or page[1], page[2]
end

local heldCursor, scored = scan('ZSCAN', DUE, take())
local soldCursor, sold = scan('HSCAN', SOLD, take())
local held = {}
for i = 1, #scored, 2 do held[#held + 1] = scored[i] end
return { 'OK', epoch, seq, heldCursor, soldCursor, held, sold }
