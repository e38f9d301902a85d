#!lua
-- KEYS turn (counters held minute)…
-- ARGV id tokens micros forMs rememberMs keptMs heldRetryMs (messages tokens running day month)…
local id, forMs, keptMs, heldRetryMs = ARGV[1], tonumber(ARGV[4]), ARGV[6], tonumber(ARGV[7])
local asked = { tokens = tonumber(ARGV[2]), micros = tonumber(ARGV[3]) }
local never = math.huge
local nowMs = now()
local turn = readTurn(KEYS[1])
if turn and turn.isSettled then return { 'ok' } end
local scopes = {}
for i = 1, (#KEYS - 1) / 3 do scopes[i] = readScope(3 * i - 1, nowMs, keptMs) end

local second = math.floor(nowMs / 1000)
local function minuteWait(scope, kind, amount, limit)
  if limit == 0 then return 0 end
  local window = readWindow(scope.minute, kind, second)
  scope[kind] = window
  local excess = window.sum + amount - limit
  if excess <= 0 then return 0 end
  if amount > limit then return never end
  for i, counted in ipairs(redis.call('HMGET', window.key, unpack(secondsOf(window, window.from + 60)))) do
    excess = excess - tonumber(counted or 0)
    if excess <= 0 then return (window.from + i + 60) * 1000 - nowMs end
  end
end

local function nextDayMs(scope)
  return (scope.day + 1) * 86400000 - nowMs
end

local function nextMonthMs(scope)
  local day = scope.day + 1
  while monthOf(day) == scope.month do day = day + 1 end
  return day * 86400000 - nowMs
end

local function moneyWait(scope, spent, limit, untilNext)
  if limit == 0 or asked.micros == 0 or spent + scope.held + asked.micros <= limit then return 0 end
  if asked.micros > limit then return never end
  return spent + asked.micros > limit and untilNext(scope) or heldRetryMs
end

if not turn then
  local longest, limit, where = 0, '', 0
  for i, scope in ipairs(scopes) do
    local function look(name, waitMs)
      if waitMs > longest then longest, limit, where = waitMs, name, i - 1 end
    end
    local limits = {}
    for n = 1, 5 do limits[n] = tonumber(ARGV[5 * i + 2 + n]) end
    look('messagesPerMinute', minuteWait(scope, 'm', 1, limits[1]))
    look('tokensPerMinute', minuteWait(scope, 't', asked.tokens, limits[2]))
    look('runningTurns', limits[3] > 0 and scope.running >= limits[3] and heldRetryMs or 0)
    look('microsPerDay', moneyWait(scope, scope.dayMicros, limits[4], nextDayMs))
    look('microsPerMonth', moneyWait(scope, scope.monthMicros, limits[5], nextMonthMs))
  end
  if longest > 0 then return { 'refused', where, limit, longest == never and -1 or longest } end
end

for _, scope in ipairs(scopes) do
  local micros = turn and turn.micros or asked.micros
  -- A turn that holds already only does so for longer.
  local isNew = redis.call('ZADD', scope.holding, whole(nowMs + forMs), id .. ' ' .. whole(micros)) == 1
  redis.call('PEXPIRE', scope.holding, keptMs)
  if isNew then
    scope.held = scope.held + micros
    writeCounters(scope, keptMs)
  end
  if scope.m then addTo(scope.m, second, 1) end
  if scope.t then addTo(scope.t, second, asked.tokens) end
end
turn = turn or { second = second, tokens = asked.tokens, micros = asked.micros }
local written = version .. ' open ' .. whole(turn.second) .. ' ' .. whole(turn.tokens) .. ' ' .. whole(turn.micros)
redis.call('SET', KEYS[1], written, 'PX', whole(forMs + tonumber(ARGV[5])))
return { 'ok' }
