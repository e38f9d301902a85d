-- Put in front of every script. KEYS[1] is always the session's meta, KEYS[2] its log; the channels share their name.
local M, L = KEYS[1], KEYS[2]
-- A record beside its payload and texts, in bytes: the same as in limits.ts.
local recordBytes = 400
local base = string.sub(M, 1, -2)

local function now()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Published payloads begin with their version.
local function tell(message)
  redis.call('SPUBLISH', base .. 'r', '1 ' .. message)
end

-- What is long is told as a range, and read: it would hold up every subscriber.
local function tellText(base, fence, part, at, to, text)
  redis.call('SPUBLISH', base .. 'd', '1 ' .. fence .. ' ' .. part .. ' ' .. at .. ' ' .. to .. '\n' ..
    (#text <= 8192 and text or ''))
end

-- The same as `placeAfter` in record-payload.ts: 52 bits of SHA-1 over the entry before and the payload.
local function mark(previous, payload)
  local digits = string.sub(redis.sha1hex(previous .. '|' .. payload), 1, 13)
  return string.format('%.0f', tonumber(digits, 16))
end

-- What the session holds, in bytes, as its owner's share counts it: `sessionBytes` and `recordBytes` in limits.ts, and texts.
local function count(bytes)
  return redis.call('HINCRBY', M, 'by', bytes)
end

-- Always a script's first write, since it is the one that can fail. Further arguments are fields of the entry. Answers
-- its id and what the session holds by now.
local function add(head, payload, ...)
  local id = (tonumber(string.match(head, '^%d+')) + 1) .. '-' .. mark(head, payload)
  redis.call('XADD', L, id, 'r', payload, ...)
  redis.call('HSET', M, 'head', id)
  tell('record ' .. head .. ' ' .. id .. ' ' .. payload)
  local bytes = recordBytes + #payload
  for n = 2, select('#', ...), 2 do bytes = bytes + #select(n, ...) end
  return id, count(bytes)
end

-- Meta and log go at one instant, written in one step. A tape's time begins with its bytes, so it outlives them; all are
-- longer than any turn.
local function keepFor(ttlMs)
  redis.call('PEXPIRE', M, ttlMs)
  if L then redis.call('PEXPIRE', L, ttlMs) end
end

-- A piece of a text of `length` bytes and the byte after it, for the reader to cut between characters. An offset in the
-- middle of a character counts as 0.
local function isInside(byte)
  return byte ~= nil and byte >= 128 and byte < 192
end
local function tapeSlice(key, at, maxBytes)
  local length = redis.call('STRLEN', key)
  local text = at < length and redis.call('GETRANGE', key, at, at + maxBytes) or ''
  if isInside(string.byte(text, 1)) then
    at = 0
    text = redis.call('GETRANGE', key, 0, maxBytes)
  end
  return { at, text, length }
end

-- Entries in the order asked for, until there are `limit` or their text is more than `maxBytes`; at least one. They
-- are read a few at a time, since a long answer is a mebibyte, and more where the first were short. Answers them and
-- whether it stopped before the end.
local function entries(command, from, to, limit, maxBytes)
  local found, bytes = {}, 0
  while true do
    local count = math.min(#found > 0 and bytes < maxBytes / 16 and 16 or 4, limit - #found)
    if count <= 0 then return found, true end
    local page = redis.call(command, L, from, to, 'COUNT', count)
    for _, entry in ipairs(page) do
      if #found > 0 and bytes > maxBytes then return found, true end
      found[#found + 1] = entry
      for i = 2, #entry[2], 2 do bytes = bytes + #entry[2][i] end
      from = '(' .. entry[1]
    end
    if #page < count then return found, false end
  end
end
