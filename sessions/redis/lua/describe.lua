#!lua flags=allow-oom
-- KEYS meta
local v = redis.call('HMGET', M, 'head', 'info', 'md')
if not v[1] then return { 'gone' } end
return { 'ok', v[2], v[3] }
