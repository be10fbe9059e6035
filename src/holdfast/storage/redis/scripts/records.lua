-- What the scripts that write share: the names of the keys, whether a record lives, how it goes.
--
-- ARGV: prefix, channel, now in milliseconds, then what the script says.
-- Numbers are doubles here: versions and milliseconds are exact below 2^53, which is enough for
-- 285,000 years and for a million writes a second for 285 years.
-- Redis undoes nothing when a script fails in the middle. So each script looks at every key that
-- it is going to touch (which fails if another program keeps something there) before it writes.
local prefix, channel, now = ARGV[1], ARGV[2], tonumber(ARGV[3])
local keys, logs = prefix .. 'keys', prefix .. 'logs'
local expiring, counter = prefix .. 'expiring', prefix .. 'version'
-- The numbers up to which logs were erased: the list of a log begins behind its number.
local erased = prefix .. 'erased'

local function record_of(key)
    return prefix .. 'record:' .. key
end

-- Each part of a key ends with a 0 byte; the queue is the key without its last part.
local function queue_of(key)
    return prefix .. 'queue:' .. (string.match(key, '^(.*%z)[^%z]*%z$') or '')
end

local function is_live(version, expires_at)
    return version and (not expires_at or now < tonumber(expires_at))
end

local function next_version()
    return string.format('%.0f', redis.call('INCR', counter))
end

-- A user who lost the right to publish must not leave a script half done: pcall, not call.
local function tell(name)
    redis.pcall('PUBLISH', channel .. name, '')
end

local function look_at_shared_keys()
    redis.call('GET', counter)
    redis.call('ZCARD', keys)
    redis.call('ZCARD', expiring)
    redis.call('ZCARD', logs)
    redis.call('HLEN', erased)
end

-- How many entries a log has, and the number of the last one, 0 if there is none.
local function length_of(name)
    local length = redis.call('LLEN', prefix .. 'log:' .. name)
    local before = tonumber(redis.call('HGET', erased, name) or '0')
    return length, before, length > 0 and before + length or 0
end

local function drop(key)
    redis.call('DEL', record_of(key))
    redis.call('ZREM', keys, key)
    redis.call('ZREM', expiring, key)
    redis.call('ZREM', queue_of(key), key)
end
