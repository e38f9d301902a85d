#!lua flags=allow-oom
-- KEYS owner               ARGV session maxSessions ttlMs
-- When a session was last used, in microseconds, so that no two uses are at once. A new one only while there is room.
local max = tonumber(ARGV[2])
if max > 0 and not redis.call('ZSCORE', KEYS[1], ARGV[1]) and redis.call('ZCARD', KEYS[1]) >= max then return { 'full' } end
local time = redis.call('TIME')
redis.call('ZADD', KEYS[1], string.format('%.0f', tonumber(time[1]) * 1000000 + tonumber(time[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return { 'ok' }
