-- Put in front of every script of the budgets. All keys are of one tenant and carry one hash tag; see keys.ts. A scope is
-- three of them: its counters, what it holds, its last minute.
local version = '1'
-- Turns whose reservation lapsed that one look takes away; the next looks take the others.
local lapsedBatch = 1000

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function put(key, ttlMs, ...)
  redis.call('HSET', key, ...)
  redis.call('PEXPIRE', key, ttlMs)
end

-- The UTC month of a day, both counted: years begin in March, so that a leap day is their last (Howard Hinnant,
-- "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
local function monthOf(day)
  local shifted = day + 719468
  local era = math.floor(shifted / 146097)
  local d = shifted - era * 146097
  local year = math.floor((d - math.floor(d / 1460) + math.floor(d / 36524) - math.floor(d / 146096)) / 365)
  local dayOfYear = d - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  return (era * 400 + year) * 12 + math.floor((5 * dayOfYear + 2) / 153)
end

-- What came in the last minute: a field for each second, their sum, and the first second that may have one; all within
-- 61 seconds. A second counts until 60 seconds after its end, so that no minute has more than it may. Each second is
-- added and taken away once, so a look costs the same however much came.
local function secondsOf(window, last)
  local fields = {}
  for at = window.from, last do fields[#fields + 1] = window.kind .. whole(at) end
  return fields
end

local function writeWindow(window, ...)
  put(window.key, 61000, window.kind .. 'sum', whole(window.sum), window.kind .. 'from', whole(window.from), ...)
end

local function readWindow(key, kind, second)
  local v = redis.call('HMGET', key, kind .. 'sum', kind .. 'from')
  local window = { key = key, kind = kind, sum = tonumber(v[1] or 0), from = tonumber(v[2] or second) }
  local isOver = window.from < second - 120 or window.from > second
  local last = isOver and window.from + 60 or second - 61
  if window.from > last then return window end
  -- A clock that stepped back by more than what is counted forgets it, instead of counting it for as long.
  local fields = secondsOf(window, last)
  for _, amount in ipairs(redis.call('HMGET', key, unpack(fields))) do
    window.sum = window.sum - tonumber(amount or 0)
  end
  redis.call('HDEL', key, unpack(fields))
  window.from = isOver and second or last + 1
  writeWindow(window)
  return window
end

local function addTo(window, second, amount)
  local field = window.kind .. whole(second)
  window.sum = window.sum + amount
  writeWindow(window, field, whole(tonumber(redis.call('HGET', window.key, field) or 0) + amount))
end

-- What was counted turns out to be another amount; nothing, when its second is over.
local function correct(key, kind, second, by)
  local field = kind .. whole(second)
  local v = redis.call('HMGET', key, kind .. 'sum', kind .. 'from', field)
  if by == 0 or not v[3] then return end
  local amount = math.max(0, tonumber(v[3]) + by)
  local window = { key = key, kind = kind, sum = tonumber(v[1]) + amount - tonumber(v[3]), from = tonumber(v[2]) }
  writeWindow(window, field, whole(amount))
end

local function writeCounters(scope, keptMs)
  put(scope.counters, keptMs, 'v', version, 'd', whole(scope.day), 'ds', whole(scope.dayMicros),
    'm', whole(scope.month), 'ms', whole(scope.monthMicros), 'h', whole(scope.held))
end

-- Counts money in the day and the month of `atMs`, if they are the current ones. Less than nothing takes it away again.
local function spend(scope, micros, atMs)
  local day = math.floor(atMs / 86400000)
  if day >= scope.day then scope.dayMicros = math.max(0, scope.dayMicros + micros) end
  if monthOf(day) >= scope.month then scope.monthMicros = math.max(0, scope.monthMicros + micros) end
end

-- Nobody told what the turns used whose time is over, so what they held is booked: some at a time, the rest is held until
-- the next look. Who settles one of them later corrects it.
local function bookLapsed(scope, nowMs, keptMs)
  local range = { scope.holding, '-inf', whole(nowMs), 'WITHSCORES', 'LIMIT', 0, lapsedBatch }
  local lapsed = redis.call('ZRANGEBYSCORE', unpack(range))
  local members = {}
  for i = 1, #lapsed, 2 do
    local micros = tonumber(string.match(lapsed[i], '%d+$'))
    members[#members + 1] = lapsed[i]
    scope.held = scope.held - micros
    spend(scope, micros, tonumber(lapsed[i + 1]))
  end
  if #members > 0 then redis.call('ZREM', scope.holding, unpack(members)) end
  scope.running = redis.call('ZCARD', scope.holding)
  if scope.running == 0 then scope.held = 0 end
  if #members > 0 then writeCounters(scope, keptMs) end
end

-- Takes away what a turn holds in a scope, or what was booked for it when that lapsed. `letter`: the scope's.
local function release(scope, letter, id, turn)
  if redis.call('ZREM', scope.holding, id .. ' ' .. whole(turn.micros)) == 1 then
    scope.held = math.max(0, scope.held - turn.micros)
    return true
  end
  if not string.find(turn.scopes, letter, 1, true) then return false end
  spend(scope, -turn.micros, turn.untilMs)
  return true
end

-- What a clock that stepped back over midnight left as tomorrow's is still today's.
local function ofPeriod(stored, period, spent)
  local isCurrent = stored and (tonumber(stored) == period or tonumber(stored) == period + 1)
  return isCurrent and tonumber(spent) or 0
end

local function readSession(key)
  local v = redis.call('HMGET', key, 'v', 'micros', 'tokens')
  if v[1] and v[1] ~= version then error(redis.error_reply('VERSION of a sum is not known here')) end
  return { micros = tonumber(v[2] or 0), tokens = tonumber(v[3] or 0) }
end

local function readScope(first, nowMs, keptMs)
  local scope = { counters = KEYS[first], holding = KEYS[first + 1], minute = KEYS[first + 2] }
  local v = redis.call('HMGET', scope.counters, 'v', 'd', 'ds', 'm', 'ms', 'h')
  if v[1] and v[1] ~= version then error(redis.error_reply('VERSION of a budget is not known here')) end
  scope.day = math.floor(nowMs / 86400000)
  scope.month = monthOf(scope.day)
  scope.dayMicros = ofPeriod(v[2], scope.day, v[3])
  scope.monthMicros = ofPeriod(v[4], scope.month, v[5])
  scope.held = tonumber(v[6] or 0)
  bookLapsed(scope, nowMs, keptMs)
  return scope
end

-- A turn that is known here: settled, or with what it reserved, until when and in which scopes.
local function readTurn(key)
  local text = redis.call('GET', key)
  if not text then return nil end
  if text == version .. ' settled' then return { isSettled = true } end
  local pattern = '^' .. version .. ' open (%d+) (%d+) (%d+) (%d+) (%a*)$'
  local second, tokens, micros, untilMs, scopes = string.match(text, pattern)
  if not second then error(redis.error_reply('VERSION of a reservation is not known here')) end
  local turn = { second = tonumber(second), tokens = tonumber(tokens), micros = tonumber(micros) }
  turn.untilMs, turn.scopes = tonumber(untilMs), scopes
  return turn
end
