-- Take the record of a queue that has been due longest, until a later time.
--
-- ARGV, behind those of records.lua: the queue, until.
-- Reply: {'none'}, {'again'} (many had expired; more may follow),
--   or {'taken', key, value, version, expires_at}.

local LOOKED_AT = 100

local queue = prefix .. 'queue:' .. ARGV[4]
look_at_shared_keys()
for _ = 1, LOOKED_AT do
    -- Of equal scores the smaller bytes come first, which is the order of the keys.
    local key = redis.call('ZRANGEBYSCORE', queue, '-inf', now, 'LIMIT', 0, 1)[1]
    if not key then
        return { 'none' }
    end
    local record = record_of(key)
    local found = redis.call('HMGET', record, 'value', 'version', 'expires_at')
    if is_live(found[2], found[3]) then
        local version = next_version()
        redis.call('HSET', record, 'version', version, 'due_at', ARGV[5])
        redis.call('ZADD', queue, ARGV[5], key)
        tell(key)
        return { 'taken', key, found[1], version, found[3] }
    end
    -- Expired, and in the way of every later claim.
    drop(key)
end
return { 'again' }
