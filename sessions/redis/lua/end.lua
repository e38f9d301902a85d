#!lua flags=allow-oom
-- KEYS meta log tape…      ARGV token turn attempt type payload ttlMs (bytes sha1)…
local v = redis.call('HMGET', M, 'head', 'run', 'tok', 'att', 'parts', 'can', 'e:' .. ARGV[2], 'own')
if not v[1] then return { 'gone' } end
if v[7] then return { 'ended', v[7] } end
if v[2] ~= ARGV[2] or v[3] ~= ARGV[1] then return { 'stale' } end
local attempt, parts = tonumber(v[4]), tonumber(v[5])
local isNamed = attempt == tonumber(ARGV[3])
if v[6] == '1' and ARGV[4] ~= 'turn.cancelled' then
  local length = attempt == 0 and 0 or isNamed and #KEYS > 2 and redis.call('STRLEN', KEYS[3]) or -1
  return { 'cancel', attempt, length }
end
if not isNamed or parts ~= #KEYS - 2 then return { 'behind', attempt } end
local fields = {}
for part = 0, parts - 1 do
  local text = redis.call('GET', KEYS[3 + part]) or ''
  local bytes, sha1 = ARGV[7 + 2 * part], ARGV[8 + 2 * part]
  if #text ~= tonumber(bytes) or redis.sha1hex(text) ~= sha1 then return { 'behind', attempt } end
  fields[2 * part + 1], fields[2 * part + 2] = 'x' .. part, text
end
local id, bytes = add(v[1], ARGV[5], unpack(fields))
for i = 3, #KEYS do redis.call('UNLINK', KEYS[i]) end
redis.call('HSET', M, 'run', '', 'tok', '', 'f', '', 'can', '', 'lt', ARGV[2], 'e:' .. ARGV[2], id, 'used', now())
redis.call('HDEL', M, 'att', 'aby', 'parts', 'dl', 'mid')
keepFor(ARGV[6])
return { 'ok', id, v[8], bytes }
