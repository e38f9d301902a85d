#!lua flags=allow-oom
-- KEYS meta log tape…      ARGV turn attempt parts (as read) birth
local v = redis.call('HMGET', M, 'head', 'run', 'att', 'parts', 'own', 'birth')
local birth = v[6] or ''
if not v[1] or (ARGV[4] ~= '' and ARGV[4] ~= birth) then return { 'gone' } end
local attempt, parts = v[3] or '0', v[4] or '0'
if v[2] ~= ARGV[1] or attempt ~= ARGV[2] or parts ~= ARGV[3] then return { 'again', v[2], attempt, parts } end
redis.call('UNLINK', unpack(KEYS))
tell('erased')
return { 'ok', v[5], birth }
