-- Remove a log if the number of its last entry is the expected one.
--
-- ARGV, behind those of records.lua: name of the log, expected.
-- Reply as that of write.lua: {1, '0'} or {0, 0, what is there}.

local name, expected = ARGV[4], ARGV[5]
look_at_shared_keys()
local length, before, last = length_of(name)
local current = string.format('%.0f', last)
if expected ~= '-1' and expected ~= current then
    return { 0, 0, current }
end
if length > 0 then
    redis.call('HSET', erased, name, current)
    redis.call('ZREM', logs, name)
    -- A long list is freed beside the other clients, not while they wait.
    redis.call('UNLINK', prefix .. 'log:' .. name)
    tell(name)
end
return { 1, '0' }
