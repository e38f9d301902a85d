-- Put in front of every script on an owner's list and account, which are in one slot. KEYS[1] is the list: sessions by
-- their last use in microseconds. KEYS[2] is the account: bytes by session, `=b` their sum, `=t` the tenant's hash and
-- `=r` when the account was last gone through.
local list, account = KEYS[1], KEYS[2]

local function nowUs()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- Counts the session with so many bytes. Without a number it is forgotten.
local function put(session, bytes)
  local before = tonumber(redis.call('HGET', account, session) or 0)
  if bytes then redis.call('HSET', account, session, string.format('%.0f', bytes))
  else redis.call('HDEL', account, session) end
  return redis.call('HINCRBY', account, '=b', string.format('%.0f', (bytes or 0) - before))
end

-- What its tenant's account is to say: bytes, sessions, and the tenant's hash.
local function sums()
  return tonumber(redis.call('HGET', account, '=b') or 0), redis.call('ZCARD', list), redis.call('HGET', account, '=t') or ''
end

local function keepFor(ttlMs)
  redis.call('PEXPIRE', list, ttlMs)
  redis.call('PEXPIRE', account, ttlMs)
end
