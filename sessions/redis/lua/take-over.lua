#!lua flags=allow-oom
-- KEYS meta log            ARGV token leaseMs seen turn
local v = redis.call('HMGET', M, 'head', 'run', 'tok', 'dl', 'att', 'parts', 'can', 'mid')
if not v[1] then return { 'gone' } end
if v[2] == '' or (ARGV[4] ~= '' and ARGV[4] ~= v[2]) then return { 'idle' } end
local mine = { 'yours', v[2], v[5], v[6], v[7], v[8] }
if v[3] == ARGV[1] then return mine end
local t, leaseMs, deadline = now(), tonumber(ARGV[2]), tonumber(v[4])
-- More than two leases ahead, the deadline is of a clock that stepped back since.
if deadline > t + 2 * leaseMs then
  deadline = t + leaseMs
  redis.call('HSET', M, 'dl', deadline)
end
if t < deadline then return { 'held', deadline - t } end
if tonumber(ARGV[3]) ~= deadline then
  tell('nudge renew')
  return { 'lapsed', deadline }
end
redis.call('HSET', M, 'tok', ARGV[1], 'dl', t + leaseMs, 'f', '')
tell('nudge taken')
return mine
