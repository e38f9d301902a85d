#!lua flags=allow-oom
-- KEYS meta log [tape]     ARGV turn attempt part at maxBytes
local v = redis.call('HMGET', M, 'head', 'run', 'att', 'parts', 'e:' .. ARGV[1])
if not v[1] then return { 'gone' } end
local part, at, maxBytes = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
-- A turn without an attempt has an empty part 0, and no other.
local none = part == 0 and { 'ok', { at, '', 0 } } or { 'unknown' }
if v[2] == ARGV[1] then
  if v[3] == '0' or part >= tonumber(v[4]) then return none end
  if v[3] ~= ARGV[2] then return { 'again', tonumber(v[3]) } end
  return { 'ok', tapeSlice(KEYS[3], at, maxBytes) }
end
if not v[5] then return { 'unknown' } end
local fields = redis.call('XRANGE', L, v[5], v[5])[1][2]
for i = 1, #fields, 2 do
  if fields[i] == 'x' .. part then
    local text = fields[i + 1]
    if isInside(string.byte(text, at + 1)) then at = 0 end
    return { 'ok', { at, string.sub(text, at + 1, at + maxBytes + 1), #text } }
  end
end
return none
