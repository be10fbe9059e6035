-- Read a page of live records in key order; it only reads.
--
-- ARGV: prefix, now in milliseconds, lower and upper bound as ZRANGEBYLEX takes them, limit.
-- Reply: {1 if the limit was not reached and more may follow, the last key looked at,
--   {key, value, version, expires_at, due_at, and so on}}.

-- What one call may cost the other clients of the server.
local MOST_BYTES = 8 * 1024 * 1024
local MOST_KEYS = 5000
local KEYS_AT_ONCE = 100

local keys, now = ARGV[1] .. 'keys', tonumber(ARGV[2])
local behind, high, limit = ARGV[3], ARGV[4], tonumber(ARGV[5])
local page, found, bytes, seen = {}, 0, 0, 0

local function look_at(key)
    local record = ARGV[1] .. 'record:' .. key
    local fields = redis.call('HMGET', record, 'value', 'version', 'expires_at', 'due_at')
    if fields[2] and (not fields[3] or now < tonumber(fields[3])) then
        page[#page + 1] = key
        for field = 1, 4 do
            page[#page + 1] = fields[field]
        end
        found, bytes = found + 1, bytes + #(fields[1] or '')
    end
end

while found < limit do
    local wanted = math.min(limit - found, KEYS_AT_ONCE)
    local names = redis.call('ZRANGEBYLEX', keys, behind, high, 'LIMIT', 0, wanted)
    for _, key in ipairs(names) do
        look_at(key)
        behind, seen = '(' .. key, seen + 1
        if bytes >= MOST_BYTES then
            return { 1, key, page }
        end
    end
    if #names < wanted then
        break
    end
    if seen >= MOST_KEYS then
        return { 1, names[#names], page }
    end
end
return { 0, '', page }
