#!lua flags=allow-oom
-- KEYS list account        ARGV session bytes usedMs tenant ttlMs sessionTtlMs dueMax
-- The session was used, now or at usedMs, and holds so many bytes. In microseconds, so that no two uses are at once. Answers
-- the sums, and sessions whose time seems to be over, for the caller to look at.
local us = nowUs()
local used = ARGV[3] == '' and us or tonumber(ARGV[3]) * 1000
redis.call('ZADD', list, string.format('%.0f', used), ARGV[1])
put(ARGV[1], tonumber(ARGV[2]))
if ARGV[4] ~= '' then redis.call('HSET', account, '=t', ARGV[4]) end
keepFor(ARGV[5])
local overUs = us - tonumber(ARGV[6]) * 1000
local due = redis.call('ZRANGEBYSCORE', list, '-inf', string.format('(%.0f', overUs), 'LIMIT', 0, tonumber(ARGV[7]))
local bytes, sessions, tenant = sums()
return { bytes, sessions, tenant, due }
