-- Apply puts, deletes and appends together, or refuse them all and name the first refused one.
--
-- ARGV, behind those of records.lua: for each operation
--   'put', key, expected, value, expires_at or '', due_at or ''
--   'delete', key, expected
--   'append', name of the log, expected, number of entries, entries
-- Reply: {1, version or last number of the last operation} or {0, index, what is there}.

-- The server is never told when a record expires: its clock is not ours, and the sorted sets
-- would keep the key. So every write removes a few records that have expired. The margin is for
-- machines whose clocks disagree: one that is ahead must not take what others still see.
local MARGIN_MS = 60000
local PURGED_MORE_THAN_WRITTEN = 8
-- Lua's stack holds 8000 values.
local PUSHED_AT_ONCE = 1000

local function read_append(at)
    local length, before, last = length_of(ARGV[at + 1])
    local count = tonumber(ARGV[at + 3])
    local operation = {
        at = at, length = length, before = before, first = at + 4, last = at + 3 + count,
    }
    return operation, string.format('%.0f', last), at + 4 + count
end

local function read_change(at)
    local key = ARGV[at + 1]
    local found = redis.call('HMGET', record_of(key), 'version', 'expires_at', 'due_at')
    redis.call('ZCARD', queue_of(key))
    local operation = { at = at, version = found[1], expires_at = found[2], due_at = found[3] }
    local current = is_live(found[1], found[2]) and found[1] or '0'
    return operation, current, at + (ARGV[at] == 'put' and 6 or 3)
end

local function keep_time(record, field, old, new, set, key)
    if new ~= '' then
        redis.call('HSET', record, field, new)
        redis.call('ZADD', set, new, key)
    elseif old then
        redis.call('HDEL', record, field)
        redis.call('ZREM', set, key)
    end
end

local function put(operation)
    local at = operation.at
    local key, record = ARGV[at + 1], record_of(ARGV[at + 1])
    local version = next_version()
    redis.call('HSET', record, 'value', ARGV[at + 3], 'version', version)
    redis.call('ZADD', keys, 0, key)
    keep_time(record, 'expires_at', operation.expires_at, ARGV[at + 4], expiring, key)
    keep_time(record, 'due_at', operation.due_at, ARGV[at + 5], queue_of(key), key)
    tell(key)
    return version
end

local function delete(operation)
    if operation.version then
        drop(ARGV[operation.at + 1])
        tell(ARGV[operation.at + 1])
    end
    return '0'
end

local function append(operation)
    local name = ARGV[operation.at + 1]
    local length = operation.length
    for first = operation.first, operation.last, PUSHED_AT_ONCE do
        local last = math.min(first + PUSHED_AT_ONCE - 1, operation.last)
        length = redis.call('RPUSH', prefix .. 'log:' .. name, unpack(ARGV, first, last))
    end
    if length > operation.length then
        if operation.length == 0 then
            redis.call('ZADD', logs, 0, name)
        end
        tell(name)
    end
    return string.format('%.0f', length > 0 and operation.before + length or 0)
end

look_at_shared_keys()
local operations, at = {}, 4
while at <= #ARGV do
    local read = ARGV[at] == 'append' and read_append or read_change
    local expected = ARGV[at + 2]
    local operation, current, behind = read(at)
    if expected ~= '-1' and expected ~= current then
        return { 0, #operations, current }
    end
    operations[#operations + 1] = operation
    at = behind
end

local apply, result = { put = put, delete = delete, append = append }, '0'
for _, operation in ipairs(operations) do
    result = apply[ARGV[operation.at]](operation)
end

local purged = #operations + PURGED_MORE_THAN_WRITTEN
local old = redis.call('ZRANGEBYSCORE', expiring, '-inf', now - MARGIN_MS, 'LIMIT', 0, purged)
for _, key in ipairs(old) do
    drop(key)
end
return { 1, result }
