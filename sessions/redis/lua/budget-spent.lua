#!lua flags=allow-oom
-- KEYS session (counters held minute)…       ARGV keptMs
local nowMs = now()
-- As text: the driver reads whole numbers near 2^53 wrong.
local session = readSession(KEYS[1])
local reply = { whole(session.micros), whole(session.tokens) }
for i = 1, (#KEYS - 1) / 3 do
  local scope = readScope(3 * i - 1, nowMs, ARGV[1])
  for _, figure in ipairs({ scope.dayMicros, scope.monthMicros, scope.held, scope.running }) do
    reply[#reply + 1] = whole(figure)
  end
end
return reply
