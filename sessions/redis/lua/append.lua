#!lua flags=allow-oom
-- KEYS meta log tape oldTape…
-- ARGV fence('token turn attempt') at text part opening leaseMs maxBytes oldAttempt ttlMs
local text, part = ARGV[3], tonumber(ARGV[4])
local v = redis.call('HMGET', M, 'head', 'run', 'tok', 'att', 'aby', 'parts', 'can')
if not v[1] then return { 'gone' } end
local token, turn, attempt = string.match(ARGV[1], '^(%S+) (%S+) (%S+)$')
if v[2] ~= turn or v[3] ~= token then return { 'stale' } end
local current, parts = tonumber(v[4]), tonumber(v[6])
if v[7] == '1' then
  local isNamed = tonumber(attempt) == current and part == 0
  return { 'cancel', current, current == 0 and 0 or isNamed and redis.call('STRLEN', KEYS[3]) or -1 }
end
if tonumber(attempt) ~= current or v[5] ~= token then
  -- The current attempt was not opened by this producer.
  if tonumber(attempt) <= current or ARGV[5] == '' then return { 'attempt', current } end
  if current > 0 and (ARGV[8] ~= v[4] or parts ~= #KEYS - 3) then return { 'again', current, parts } end
  local id = add(v[1], ARGV[5])
  for i = 4, #KEYS do redis.call('UNLINK', KEYS[i]) end
  -- Part 0 is there from the opening on, for text, even if none comes.
  parts = 1
  redis.call('HSET', M, 'att', attempt, 'aby', token, 'parts', parts, 'f', ARGV[1], 'o:' .. turn, id)
  keepFor(ARGV[9])
end
local length = redis.call('STRLEN', KEYS[3])
if #text > 0 and length == tonumber(ARGV[2]) then
  if part >= 64 or length + #text > tonumber(ARGV[7]) then return { 'full', length } end
  -- Parts open in their order: one that would leave a gap is answered its length, which is 0.
  if part <= parts then
    if part == parts then redis.call('HSET', M, 'parts', part + 1) end
    local longer = redis.call('APPEND', KEYS[3], text)
    tellText(base, ARGV[1], part, length, longer, text)
    length = longer
    redis.call('PEXPIRE', KEYS[3], ARGV[9])
  end
end
if tonumber(ARGV[6]) > 0 then redis.call('HSET', M, 'dl', now() + ARGV[6]) end
return { 'ok', length }
