-- Announces booking states that Postgres decided (a refund, a difference that the look found).
-- ARGV  number of seats; per seat: id, version
-- reply nothing but the position
if stale then return STALE end

for _ = 1, takeNumber() do
  local seat, version = take(), take()
  if applyVersion(seat, version) then change(seat) end
end
steps = #changes > 0 and 1 or 0
publish()
return { 'OK', epoch, seq }
