-- Uses something up, and tells whether this was the first use. KEYS: it, epoch. ARGV: the epoch that is meant, and how many milliseconds to
-- remember it.
if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  return -1
end
return redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[2]) and 1 or 0
