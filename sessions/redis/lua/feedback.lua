#!lua
-- KEYS meta log            ARGV turn payload sha1 ttlMs
local v = redis.call('HMGET', M, 'head', 'run', 'e:' .. ARGV[1], 'f:' .. ARGV[3], 'own')
if not v[1] then return { 'gone' } end
if v[4] then return { 'ok', v[4], v[5] } end
if v[2] ~= ARGV[1] and not v[3] then return { 'unknown' } end
local id = add(v[1], ARGV[2])
redis.call('HSET', M, 'f:' .. ARGV[3], id, 'used', now())
keepFor(ARGV[4])
return { 'ok', id, v[5] }
