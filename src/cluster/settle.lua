-- Counts what a node allowed, and tells how far each key is ahead of its rate, in microseconds. KEYS: one of each that was counted.
-- ARGV: what one request costs, in microseconds, then how many there were of each key.
local time = redis.call('TIME')
-- From 2026 on: there is room for parts of a microsecond.
local now = (time[1] - 1767225600) * 1000000 + time[2]
local ahead = {}
for i, key in ipairs(KEYS) do
  local rest = math.max(now, tonumber(redis.call('GET', key) or 0)) + ARGV[i + 1] * ARGV[1]
  redis.call('SET', key, string.format('%.3f', rest), 'PX', math.ceil((rest - now) / 1000) + 1)
  ahead[i] = math.ceil(rest - now)
end
return ahead
