#!lua
-- KEYS meta log            ARGV messageId hash turn token leaseMs payload remembered replaces preview ttlMs isFull
local v = redis.call('HMGET', M, 'head', 'run', 'tok', 'dl', 'i:' .. ARGV[1], 'n', 'lt', 'own')
if not v[1] then return { 'gone' } end
if v[5] then
  local turn, id, hash = string.match(v[5], '^(%S+) (%S+) (%S+)$')
  if hash ~= ARGV[2] then return { 'conflict', turn, id } end
  if v[2] == turn and v[3] == ARGV[4] then return { 'yours', turn, id, v[8] } end
  return { 'repeat', turn, id }
end
if v[2] ~= '' then return { 'busy', v[2], now() >= tonumber(v[4]) and 'lapsed' or 'held' } end
if ARGV[8] ~= '' and ARGV[8] ~= v[7] then return { 'not-last', v[7] } end
if ARGV[11] == '1' then return { 'full' } end
local id, bytes = add(v[1], ARGV[6])
local n = tonumber(v[6]) + 1
local slot = 'q:' .. n % tonumber(ARGV[7])
local old = redis.call('HGET', M, slot)
if old then redis.call('HDEL', M, 'i:' .. old) end
if n == 1 then redis.call('HSET', M, 'pv', ARGV[9]) end
local t = now()
redis.call('HSET', M, 'run', ARGV[3], 'tok', ARGV[4], 'att', 0, 'aby', '', 'parts', 0, 'f', '', 'can', '',
  'dl', t + ARGV[5], 'mid', id, 'i:' .. ARGV[1], ARGV[3] .. ' ' .. id .. ' ' .. ARGV[2], slot, ARGV[1], 'n', n, 'used', t)
keepFor(ARGV[10])
return { 'yours', ARGV[3], id, v[8], bytes }
