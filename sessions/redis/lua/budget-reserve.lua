#!lua
-- KEYS turn (counters held minute)…
-- ARGV id tokens micros forMs rememberMs keptMs heldRetryMs isAdmitted letters (messages tokens running day month)…
-- `letters`: one for each scope, in the order of the keys.
local id, forMs, keptMs, heldRetryMs = ARGV[1], tonumber(ARGV[4]), ARGV[6], tonumber(ARGV[7])
local isAdmitted, letters = ARGV[8] == '1', ARGV[9]
local never = math.huge
local nowMs = now()
local turn = readTurn(KEYS[1])
if turn and turn.isSettled then return { 'ok' } end
local scopes = {}
for i = 1, (#KEYS - 1) / 3 do scopes[i] = readScope(3 * i - 1, nowMs, keptMs) end

-- A turn that holds already is judged by what it wants beside it.
local held = turn or { tokens = 0, micros = 0, scopes = '' }
local more = {
  tokens = math.max(0, tonumber(ARGV[2]) - held.tokens),
  micros = math.max(0, tonumber(ARGV[3]) - held.micros),
}

local second = math.floor(nowMs / 1000)
local function minuteWait(scope, kind, amount, limit)
  if limit == 0 then return 0 end
  local window = readWindow(scope.minute, kind, second)
  scope[kind] = window
  local excess = window.sum + amount - limit
  if excess <= 0 or amount == 0 then return 0 end
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
  if limit == 0 or more.micros == 0 or spent + scope.held + more.micros <= limit then return 0 end
  if more.micros > limit then return never end
  return spent + more.micros > limit and untilNext(scope) or heldRetryMs
end

local function refusal()
  local longest, limit, where = 0, '', 0
  for i, scope in ipairs(scopes) do
    local function look(name, waitMs)
      if waitMs > longest then longest, limit, where = waitMs, name, i - 1 end
    end
    local limits = {}
    for n = 1, 5 do limits[n] = tonumber(ARGV[5 * i + 4 + n]) end
    if not turn and not isAdmitted then
      look('messagesPerMinute', minuteWait(scope, 'm', 1, limits[1]))
      look('runningTurns', limits[3] > 0 and scope.running >= limits[3] and heldRetryMs or 0)
    end
    look('tokensPerMinute', minuteWait(scope, 't', more.tokens, limits[2]))
    look('microsPerDay', moneyWait(scope, scope.dayMicros, limits[4], nextDayMs))
    look('microsPerMonth', moneyWait(scope, scope.monthMicros, limits[5], nextMonthMs))
  end
  if longest > 0 then return { 'refused', where, limit, longest == never and -1 or longest } end
end

local refused = refusal()
if refused and not turn then return refused end
-- What it has it keeps, whatever becomes of the rest.
if refused then more = { tokens = 0, micros = 0 } end

local untilMs = nowMs + forMs
local micros = held.micros + more.micros
local known = held.scopes
for i, scope in ipairs(scopes) do
  local letter = string.sub(letters, i, i)
  local member = id .. ' ' .. whole(micros)
  -- One that only holds for longer.
  local isSame = turn and redis.call('ZSCORE', scope.holding, member)
  if not isSame then
    if turn then release(scope, letter, id, turn) end
    scope.held = scope.held + micros
    writeCounters(scope, keptMs)
  end
  redis.call('ZADD', scope.holding, whole(untilMs), member)
  redis.call('PEXPIRE', scope.holding, keptMs)
  if turn then
    correct(scope.minute, 't', turn.second, more.tokens)
  else
    if scope.m then addTo(scope.m, second, 1) end
    if scope.t then addTo(scope.t, second, more.tokens) end
  end
  if not string.find(known, letter, 1, true) then known = known .. letter end
end
local first = turn and turn.second or second
local amounts = whole(first) .. ' ' .. whole(held.tokens + more.tokens) .. ' ' .. whole(micros)
local written = version .. ' open ' .. amounts .. ' ' .. whole(untilMs) .. ' ' .. known
redis.call('SET', KEYS[1], written, 'PX', whole(forMs + tonumber(ARGV[5])))
return refused or { 'ok' }
