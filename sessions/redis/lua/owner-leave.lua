#!lua flags=allow-oom
-- KEYS list account        ARGV session
redis.call('ZREM', list, ARGV[1])
if redis.call('HGET', account, ARGV[1]) then put(ARGV[1]) end
local bytes, sessions, tenant = sums()
if sessions == 0 then redis.call('UNLINK', account) end
return { bytes, sessions, tenant }
