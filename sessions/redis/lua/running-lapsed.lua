#!lua flags=allow-oom
-- KEYS shard               ARGV limit
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', string.format('%.0f', nowMs), 'LIMIT', 0, tonumber(ARGV[1]))
