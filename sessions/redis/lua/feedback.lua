#!lua
-- KEYS meta log            ARGV turn payload exact content timeMs max isFull ttlMs
-- A turn's feedback is in its field `r:turn`: how many there are, and the last one's content, id and time.
local v = redis.call('HMGET', M, 'head', 'run', 'e:' .. ARGV[1], 'f:' .. ARGV[3], 'own', 'r:' .. ARGV[1])
if not v[1] then return { 'gone' } end
if v[4] then return { 'ok', v[4], ARGV[5] } end
if v[2] ~= ARGV[1] and not v[3] then return { 'unknown' } end
local number, content, last, timeMs = string.match(v[6] or '0', '^(%d+) ?(%S*) ?(%S*) ?(%S*)$')
if content == ARGV[4] then return { 'ok', last, timeMs } end
if tonumber(number) >= tonumber(ARGV[6]) then return { 'too-many' } end
if ARGV[7] == '1' then return { 'full' } end
local id, bytes = add(v[1], ARGV[2])
redis.call('HSET', M, 'f:' .. ARGV[3], id, 'used', now(),
  'r:' .. ARGV[1], (number + 1) .. ' ' .. ARGV[4] .. ' ' .. id .. ' ' .. ARGV[5])
keepFor(ARGV[8])
return { 'ok', id, ARGV[5], v[5], bytes }
