#!lua
-- KEYS meta log            ARGV metadata isFull ttlMs
local v = redis.call('HMGET', M, 'head', 'md', 'own')
if not v[1] then return { 'gone' } end
local growth = #ARGV[1] - #v[2]
if growth > 0 and ARGV[2] == '1' then return { 'full' } end
redis.call('HSET', M, 'md', ARGV[1], 'used', now())
local bytes = count(growth)
keepFor(ARGV[3])
tell('updated ' .. ARGV[1])
return { 'ok', v[3], bytes }
