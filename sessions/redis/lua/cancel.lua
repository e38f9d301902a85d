#!lua flags=allow-oom
-- KEYS meta log            ARGV turn
local v = redis.call('HMGET', M, 'head', 'run', 'e:' .. ARGV[1])
if not v[1] then return { 'gone' } end
if v[3] then return { 'ended' } end
if v[2] ~= ARGV[1] then return { 'unknown' } end
-- The fence goes in the same step, so that the next append is refused however early it was sent.
redis.call('HSET', M, 'can', 1, 'f', '')
tell('nudge cancel')
return { 'cancelling' }
