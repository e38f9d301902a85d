#!lua flags=allow-oom
-- KEYS owners account      ARGV owner bytes sessions ttlMs keepMs dueMax
-- What an owner's sessions come to. The account has `bytes sessions` by owner, `=b` and `=s` their sums; an owner that was
-- idle for as long as a session lives has none left. Answers the sums.
local owners, account = KEYS[1], KEYS[2]
local time = redis.call('TIME')
local nowMs = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function put(owner, bytes, sessions)
  local before = redis.call('HGET', account, owner) or '0 0'
  local bytesBefore, sessionsBefore = string.match(before, '^(%S+) (%S+)$')
  redis.call('HINCRBY', account, '=b', string.format('%.0f', bytes - bytesBefore))
  redis.call('HINCRBY', account, '=s', string.format('%.0f', sessions - sessionsBefore))
  if sessions > 0 then
    redis.call('HSET', account, owner, string.format('%.0f %.0f', bytes, sessions))
    redis.call('ZADD', owners, string.format('%.0f', nowMs), owner)
  else
    redis.call('HDEL', account, owner)
    redis.call('ZREM', owners, owner)
  end
end

put(ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]))
local overMs = string.format('(%.0f', nowMs - tonumber(ARGV[4]))
for _, idle in ipairs(redis.call('ZRANGEBYSCORE', owners, '-inf', overMs, 'LIMIT', 0, tonumber(ARGV[6]))) do put(idle, 0, 0) end
redis.call('PEXPIRE', owners, ARGV[5])
redis.call('PEXPIRE', account, ARGV[5])
return redis.call('HMGET', account, '=b', '=s')
