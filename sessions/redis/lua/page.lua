#!lua flags=allow-oom
-- KEYS meta log            ARGV before limit maxBytes
if redis.call('EXISTS', M) == 0 then return { 'gone' } end
local before = tonumber(ARGV[1])
if before and before <= 1 then return { 'ok', 0, {} } end
-- An id without its second half stands for the last one that begins so.
local found = entries('XREVRANGE', before and string.format('%.0f', before - 1) or '+', '-', tonumber(ARGV[2]), tonumber(ARGV[3]))
local hasMore = #found > 0 and tonumber(string.match(found[#found][1], '^%d+')) > 1
return { 'ok', hasMore and 1 or 0, found }
