-- Read entries of a log; it only reads.
--
-- ARGV: prefix, name of the log, number to begin behind, limit.
-- Reply: {1 if the limit was not reached and more may follow, number up to which the log was
--   erased, entry, entry, and so on}.

-- What one call may cost the other clients of the server. Entries may be long, so the first steps
-- are short.
local MOST_BYTES = 8 * 1024 * 1024
local MOST_ENTRIES = 5000
local FIRST_STEP, LONGEST_STEP = 1, 512

local log, limit = ARGV[1] .. 'log:' .. ARGV[2], tonumber(ARGV[4])
local erased = tonumber(redis.call('HGET', ARGV[1] .. 'erased', ARGV[2]) or '0')
local first = math.max(tonumber(ARGV[3]) - erased, 0)
local page, found, bytes, step = { 0, erased }, 0, 0, FIRST_STEP

while found < limit do
    local wanted = math.min(limit - found, step)
    local entries = redis.call('LRANGE', log, first + found, first + found + wanted - 1)
    for _, entry in ipairs(entries) do
        page[#page + 1] = entry
        bytes = bytes + #entry
    end
    found = found + #entries
    if #entries < wanted then
        break
    end
    if found < limit and (bytes >= MOST_BYTES or found >= MOST_ENTRIES) then
        page[1] = 1
        break
    end
    step = math.min(step * 2, LONGEST_STEP)
end
return page
