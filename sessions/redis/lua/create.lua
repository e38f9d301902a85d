#!lua
-- KEYS meta                ARGV info metadata owner ttlMs birth bytes
if redis.call('EXISTS', M) == 1 then return { 'exists' } end
redis.call('HSET', M, 'v', 1, 'info', ARGV[1], 'md', ARGV[2], 'own', ARGV[3], 'birth', ARGV[5], 'used', now(),
  'head', '0-0', 'run', '', 'tok', '', 'f', '', 'can', '', 'lt', '', 'n', 0, 'by', ARGV[6])
keepFor(ARGV[4])
return { 'created' }
