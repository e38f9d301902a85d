#!lua
-- KEYS meta log            ARGV metadata ttlMs
local v = redis.call('HMGET', M, 'head', 'run', 'own')
if not v[1] then return { 'gone' } end
redis.call('HSET', M, 'md', ARGV[1], 'used', now())
keepFor(ARGV[2])
tell('updated ' .. ARGV[1])
return { 'ok', v[3] }
