-- Return the format of the store, made when there is none; nil if only the format is missing.
-- A store of format 1, which knows nothing of erased logs, is one of the newest as it is.
--
-- ARGV: prefix, the newest format.

local format = redis.call('GET', ARGV[1] .. 'format')
if format == '1' then
    redis.call('SET', ARGV[1] .. 'format', ARGV[2])
    format = ARGV[2]
end
if not format then
    local rest = { ARGV[1] .. 'version', ARGV[1] .. 'keys', ARGV[1] .. 'logs', ARGV[1] .. 'erased' }
    if redis.call('EXISTS', unpack(rest)) > 0 then
        return false
    end
    redis.call('SET', ARGV[1] .. 'format', ARGV[2])
    format = ARGV[2]
end
-- A user who may not publish is told now, not when nobody hears of a change.
redis.call('PUBLISH', ARGV[1] .. 'opened', '')
return format
