#!lua flags=allow-oom
-- KEYS meta
local v = redis.call('HMGET', M, 'head', 'info', 'md', 'used', 'pv', 'run', 'own', 'by')
if not v[1] then return { 'gone' } end
return { 'ok', v[2], v[3], v[4], v[5] or '', v[6], v[7], v[8] or '0' }
