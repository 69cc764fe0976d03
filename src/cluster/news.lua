-- Tells what changed since a change, a number of rows at most. KEYS: rows, changes, ends, epoch.
-- ARGV: the change, how many rows, the run of the server, and the epoch that begins where there is none of this run: a server that began
-- anew, or took another's place, may have forgotten something.
local epoch = redis.call('GET', KEYS[4])
local time = redis.call('TIME')
if not epoch or string.match(epoch, '^%S+ (%S+) ') ~= ARGV[3] then
  epoch = ARGV[4] .. ' ' .. ARGV[3] .. ' ' .. time[1]
end
-- Each time: a server that takes nothing more would go on telling what it knew.
redis.call('SET', KEYS[4], epoch)
-- A day later: by a clock that is ahead, what goes on must not be over.
local now = (time[1] - 86400) * 1000
for _, field in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 200)) do
  redis.call('HDEL', KEYS[1], field)
  redis.call('ZREM', KEYS[2], field)
  redis.call('ZREM', KEYS[3], field)
end
local told = { epoch }
local changes = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #changes, 2 do
  told[#told + 1] = changes[i]
  told[#told + 1] = changes[i + 1]
  told[#told + 1] = redis.call('HGET', KEYS[1], changes[i]) or ''
end
return told
