#!lua flags=allow-oom
-- KEYS (meta tape)…        ARGV ('token turn attempt part at maxBytes' text)…
-- The way of nearly every token, of many tapes at once: attempts that are open, parts that have text, no renewals. Answers
-- each tape's length, or -1 for what `append` is to say something about. None fails the others.
local function extend(meta, tape, head, text)
  local fence, part, at, maxBytes = string.match(head, '^(%S+ %S+ %S+) (%d+) (%d+) (%d+)$')
  if redis.call('HGET', meta, 'f') ~= fence then return -1 end
  local length = redis.call('STRLEN', tape)
  if length ~= tonumber(at) then return length end
  if length + #text > tonumber(maxBytes) then return -1 end
  local longer = redis.call('APPEND', tape, text)
  tellText(string.sub(meta, 1, -2), fence, part, length, longer, text)
  return longer
end

local lengths = {}
for n = 1, #KEYS, 2 do
  local isDone, length = pcall(extend, KEYS[n], KEYS[n + 1], ARGV[n], ARGV[n + 1])
  lengths[#lengths + 1] = isDone and length or -1
end
return lengths
