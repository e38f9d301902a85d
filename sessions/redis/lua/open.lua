#!lua flags=allow-oom
-- KEYS meta log tape…      ARGV cursor limit turn attempt maxRecordBytes maxTapeBytes end…
-- The tapes named are those of the turn and attempt named; where these are not the running ones the caller asks again.
local v = redis.call('HMGET', M, 'head', 'run', 'att', 'aby', 'parts', 'can', 'dl', 'info', 'md')
if not v[1] then return { 'gone' } end
local isKnown = ARGV[1] == '0-0' or (ARGV[1] ~= '' and #redis.call('XRANGE', L, ARGV[1], ARGV[1]) == 1)
local limit, maxBytes = tonumber(ARGV[2]), tonumber(ARGV[5])
local found, hasMore
if isKnown then
  found, hasMore = entries('XRANGE', '(' .. ARGV[1], '+', limit, maxBytes)
  hasMore = #found > 0 and found[#found][1] ~= v[1]
else
  found = entries('XREVRANGE', '+', '-', limit, maxBytes)
  hasMore = #found > 0 and tonumber(string.match(found[#found][1], '^%d+')) > 1
end
local reply = { 'ok', v[1], isKnown and 'after' or 'reset', hasMore and 1 or 0, found, v[8], v[9] }
if v[2] == '' then return reply end
local isNamed = v[2] == ARGV[3] and v[3] == ARGV[4] and tonumber(v[5]) == #KEYS - 2
local slices = {}
if isNamed then
  for i = 3, #KEYS do slices[i - 2] = tapeSlice(KEYS[i], tonumber(ARGV[4 + i]), tonumber(ARGV[6])) end
end
local lease = now() >= tonumber(v[7]) and 'lapsed' or 'held'
reply[8] = { v[2], v[3], v[4], v[5], v[6], lease, isNamed and 'named' or 'other', slices }
return reply
