#!lua flags=allow-oom
-- KEYS shard               ARGV 'session turn' leaseMs
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', nowMs + tonumber(ARGV[2])), ARGV[1])
return { 'ok' }
