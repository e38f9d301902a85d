#!lua
-- KEYS list account        ARGV session bytes maxBytes maxSessions tenant ttlMs goThroughMs
-- Counts bytes ahead of what writes them, and with maxSessions above 0 a session ahead of its making, if there is room for
-- them. `full` says whether it is time to go through the account, since what is gone may be counted still.
local session, bytes, maxSessions = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[4])
local isListed = redis.call('ZSCORE', list, session)
local v = redis.call('HMGET', account, '=b', '=r', session)
local unit = tonumber(v[1] or 0) + bytes > tonumber(ARGV[3]) and 'bytes'
if maxSessions > 0 and not isListed and redis.call('ZCARD', list) >= maxSessions then unit = 'sessions' end
local us = nowUs()
if unit then
  local isDue = us - tonumber(v[2] or 0) >= tonumber(ARGV[7]) * 1000
  if isDue then redis.call('HSET', account, '=r', string.format('%.0f', us)) end
  return { 'full', unit, isDue and 1 or 0 }
end
put(session, tonumber(v[3] or 0) + bytes)
redis.call('HSET', account, '=t', ARGV[5])
-- One that is charged is listed, so that whoever goes through the list finds it.
if not isListed or maxSessions > 0 then redis.call('ZADD', list, string.format('%.0f', us), session) end
keepFor(ARGV[6])
return { 'ok' }
