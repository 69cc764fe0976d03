-- Counts what a node allowed, and tells the time, and how far each key is ahead of its rate, in microseconds. KEYS: one of each that was
-- counted. ARGV: what one request costs and how far ahead a key may come to be, in microseconds; what the time was when this was sent, where
-- the node knows that, for it may be heard much later; then of each key how many there were, and how long before that the first of them was:
-- what was earned since then is theirs.
local time = redis.call('TIME')
-- From 2026 on: there is room for parts of a microsecond.
local now = (time[1] - 1767225600) * 1000000 + time[2]
local sent = math.min(now, tonumber(ARGV[3]) or now)
local told = { now }
for i, key in ipairs(KEYS) do
  local count, age = ARGV[2 * i + 2], ARGV[2 * i + 3]
  local rest = math.max(sent - age, tonumber(redis.call('GET', key) or 0)) + count * ARGV[1]
  rest = math.min(rest, now + ARGV[2])
  local left = math.max(rest - now, 0)
  -- A second longer: others may tell of what they allowed at the same time.
  redis.call('SET', key, string.format('%.3f', rest), 'PX', math.ceil(left / 1000) + 1000)
  told[#told + 1] = math.ceil(left)
end
return told
