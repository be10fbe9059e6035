-- Return the format of the store, made when there is none; nil if only the format is missing.
--
-- ARGV: prefix, the format of a new store.

local format = redis.call('GET', ARGV[1] .. 'format')
if not format then
    local rest = { ARGV[1] .. 'version', ARGV[1] .. 'keys', ARGV[1] .. 'logs' }
    if redis.call('EXISTS', unpack(rest)) > 0 then
        return false
    end
    redis.call('SET', ARGV[1] .. 'format', ARGV[2])
    format = ARGV[2]
end
-- A user who may not publish is told now, not when nobody hears of a change.
redis.call('PUBLISH', ARGV[1] .. 'opened', '')
return format
