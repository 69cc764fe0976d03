-- Tells what changed since a change, a number of rows at most. KEYS: rows, changes, ends, epoch, nodes, last.
-- ARGV: the change, how many rows, the run of the server, and the epoch that begins where there is none of this run: a server that began
-- anew, or took another's place, may have forgotten something. Then which node asks, of which epoch it has told all that it has, for how
-- many seconds nodes are waited for, and those that it knows of.
-- Told are the epoch, whether all have told, and who has.
local epoch = redis.call('GET', KEYS[4])
local time = redis.call('TIME')
local clock = tonumber(time[1])
-- All rows have a change and an end, none has a later change than was counted, and nobody has seen a later one; and changes are counted one by
-- one, as far as a score can tell them apart: else part of it was evicted, removed or made up, and nobody would hear what comes next. It is as if
-- all had been lost then.
local last = tonumber(redis.call('GET', KEYS[6]) or 0) or 0
local top = tonumber(redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2] or 0)
local rows = redis.call('HLEN', KEYS[1])
local is_whole = rows == redis.call('ZCARD', KEYS[2]) and rows == redis.call('ZCARD', KEYS[3]) and top <= last and last < 2 ^ 53
if not is_whole or (ARGV[6] == epoch and tonumber(ARGV[1]) > last) then
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[3], KEYS[6])
  epoch = false
end
if not epoch or string.match(epoch, '^%S+ (%S+) ') ~= ARGV[3] then
  epoch = ARGV[4] .. ' ' .. ARGV[3] .. ' ' .. time[1]
  -- Of what came before, nobody has told anything yet.
  for _, node in ipairs(redis.call('HKEYS', KEYS[5])) do
    redis.call('HSET', KEYS[5], node, -clock)
  end
end
-- Each time: a server that takes nothing more would go on telling what it knew.
redis.call('SET', KEYS[4], epoch)
-- A day later: by a clock that is ahead, what goes on must not be over.
local now = (clock - 86400) * 1000
for _, field in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', now, 'LIMIT', 0, 200)) do
  redis.call('HDEL', KEYS[1], field)
  redis.call('ZREM', KEYS[2], field)
  redis.call('ZREM', KEYS[3], field)
end
-- Of a node: when it was here last; below zero, since when it is waited for.
if ARGV[6] == epoch then
  redis.call('HSET', KEYS[5], ARGV[5], clock)
end
if ARGV[6] ~= epoch then
  for node in string.gmatch(ARGV[8], '%S+') do
    redis.call('HSETNX', KEYS[5], node, -clock)
  end
end
local here, away = {}, 0
local nodes = redis.call('HGETALL', KEYS[5])
for i = 1, #nodes, 2 do
  local at = tonumber(nodes[i + 1])
  if at < 0 and clock + at <= tonumber(ARGV[7]) then
    away = away + 1
  elseif at < clock - 3600 then
    redis.call('HDEL', KEYS[5], nodes[i])
  else
    here[#here + 1] = nodes[i]
  end
end
table.sort(here)
local told = { epoch, away == 0 and '1' or '0', table.concat(here, ' ') }
local changes = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
for i = 1, #changes, 2 do
  told[#told + 1] = changes[i]
  told[#told + 1] = changes[i + 1]
  told[#told + 1] = redis.call('HGET', KEYS[1], changes[i]) or ''
end
return told
