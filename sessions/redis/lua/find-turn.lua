#!lua flags=allow-oom
-- KEYS meta log            ARGV turn
local v = redis.call('HMGET', M, 'head', 'run', 'mid', 'e:' .. ARGV[1])
if not v[1] then return { 'gone' } end
if v[2] == ARGV[1] then return { 'running', v[3] } end
if v[4] then return { 'ended', v[4] } end
return { 'unknown' }
