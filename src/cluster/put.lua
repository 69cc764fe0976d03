-- Takes rows that are newer than what is known, and tells how many. KEYS: rows, changes, ends, last, epoch.
-- ARGV: the epoch that is meant, the channel, then a field, a version, an end and a sealed document for each.
if redis.call('GET', KEYS[5]) ~= ARGV[1] then
  return -1
end
local taken = 0
for i = 3, #ARGV, 4 do
  local field, version, ends = ARGV[i], ARGV[i + 1], ARGV[i + 2]
  local was = redis.call('HGET', KEYS[1], field)
  local known = was and tonumber(string.match(was, '^(%d+):')) or 0
  if tonumber(version) > known then
    redis.call('HSET', KEYS[1], field, version .. ':' .. ARGV[i + 3])
    redis.call('ZADD', KEYS[2], redis.call('INCR', KEYS[4]), field)
    redis.call('ZADD', KEYS[3], ends, field)
    taken = taken + 1
  end
end
if taken > 0 then
  redis.call('PUBLISH', ARGV[2], '')
end
return taken
