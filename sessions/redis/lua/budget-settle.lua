#!lua flags=allow-oom
-- KEYS turn session (counters held minute)…
-- ARGV id isUsed tokens micros rememberMs keptMs sessionTtlMs letters
local id, isUsed, tokens, micros, keptMs = ARGV[1], ARGV[2] == '1', tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[6]
local nowMs = now()
local turn = readTurn(KEYS[1])
if turn and turn.isSettled then return { 'ok' } end
local session = readSession(KEYS[2])
local scopes = {}
for i = 1, (#KEYS - 2) / 3 do scopes[i] = readScope(3 * i, nowMs, keptMs) end
for i, scope in ipairs(scopes) do
  local isReleased = turn and release(scope, string.sub(ARGV[8], i, i), id, turn)
  spend(scope, micros, nowMs)
  if isReleased or micros > 0 then writeCounters(scope, keptMs) end
  if turn then
    correct(scope.minute, 't', turn.second, tokens - turn.tokens)
    correct(scope.minute, 'm', turn.second, isUsed and 0 or -1)
  end
end
-- A session that is gone has no sum.
if isUsed and ARGV[7] ~= '0' then
  local sums = { 'micros', whole(session.micros + micros), 'tokens', whole(session.tokens + tokens) }
  put(KEYS[2], ARGV[7], 'v', version, unpack(sums))
end
redis.call('SET', KEYS[1], version .. ' settled', 'PX', ARGV[5])
return { 'ok' }
