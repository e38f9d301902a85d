#!lua flags=allow-oom
-- KEYS (meta tape)…        ARGV (fence at text part maxBytes)…
-- The way of nearly every token, of many tapes at once: attempts that are open, parts that have text, no renewals. Answers
-- each tape's length, or -1 for what `append` is to say something about. None fails the others.
local function extend(meta, tape, fence, at, text, part, maxBytes)
  if redis.call('HGET', meta, 'f') ~= fence then return -1 end
  local length = redis.call('STRLEN', tape)
  if length ~= tonumber(at) then return length end
  if length + #text > tonumber(maxBytes) then return -1 end
  local longer = redis.call('APPEND', tape, text)
  tellText(string.sub(meta, 1, -2), fence, part, length, longer, text)
  return longer
end

local lengths = {}
for n = 1, #KEYS / 2 do
  local a = n * 5
  local isDone, length = pcall(extend, KEYS[n * 2 - 1], KEYS[n * 2], ARGV[a - 4], ARGV[a - 3], ARGV[a - 2], ARGV[a - 1], ARGV[a])
  lengths[n] = isDone and length or -1
end
return lengths
