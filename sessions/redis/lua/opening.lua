#!lua flags=allow-oom
-- KEYS meta log            ARGV turn
local v = redis.call('HMGET', M, 'head', 'run', 'e:' .. ARGV[1], 'o:' .. ARGV[1])
if not v[1] then return { 'gone' } end
if v[4] then return { 'ok', redis.call('XRANGE', L, v[4], v[4]) } end
if v[2] ~= ARGV[1] and not v[3] then return { 'unknown' } end
return { 'ok', {} }
