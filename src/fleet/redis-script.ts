/**
 * The rules of model/fleet.ts, to run where the record is, in one go. One hash per dependency; times are the server's.
 *
 * KEYS[1]: the record. ARGV: what is asked (`read`, `lease`, or a report: `down`, `failed`, `recovered`), by whom, the quorum, a
 * span in ms (of the lease, or until a probe), a token, the channel, and for how long a record is kept that nobody asks for.
 */
export const FLEET_SCRIPT = `
local asked, by, quorum, span, token, channel, kept = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5], ARGV[6], ARGV[7]
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local record, votes = {}, {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local voter = string.match(flat[i], '^v:(.*)$')
  if voter then votes[voter] = tonumber(flat[i + 1]) else record[flat[i]] = flat[i + 1] end
end
local run = tonumber(record.run) or now
local epoch = tonumber(record.epoch) or 1
local state = record.state == 'open' and 'open' or 'closed'
local retryAt = tonumber(record.retryAt) or 0
local trips = tonumber(record.trips) or 0
local holder, leaseToken, leaseUntil = record.holder, record.token, tonumber(record.until_) or 0
local changed, granted, wait = record.run == nil, nil, 0
local told = false

local function become(next, at, failed)
  epoch, state, retryAt, trips, votes = epoch + 1, next, at, failed, {}
  holder, leaseToken, leaseUntil = nil, nil, 0
  changed, told = true, true
end

if asked == 'down' then
  if state == 'closed' then
    local count, live = 1, { [by] = now + span }
    for voter, till in pairs(votes) do
      if till > now and voter ~= by then live[voter] = till; count = count + 1 end
    end
    votes, changed = live, true
    if count >= quorum then become('open', now + span, 0) end
  end
elseif asked == 'failed' then
  if leaseToken == token then become('open', now + span, trips + 1) end
elseif asked == 'recovered' then
  if leaseToken == token then become('closed', 0, 0) end
elseif asked == 'lease' and state == 'open' then
  local held = holder ~= nil and leaseUntil > now
  if now < retryAt then wait = retryAt - now
  elseif held and holder ~= by then wait = leaseUntil - now
  else
    if not held then epoch = epoch + 1; leaseToken = string.format('%.0f', epoch) end
    holder, leaseUntil, granted, changed = by, now + span, tonumber(leaseToken), true
  end
end

if changed then
  local fields = { 'run', string.format('%.0f', run), 'epoch', string.format('%.0f', epoch), 'state', state, 'retryAt', string.format('%.0f', retryAt), 'trips', string.format('%.0f', trips) }
  if holder then for _, each in ipairs({ 'holder', holder, 'token', leaseToken, 'until_', string.format('%.0f', leaseUntil) }) do table.insert(fields, each) end end
  for voter, till in pairs(votes) do table.insert(fields, 'v:' .. voter); table.insert(fields, string.format('%.0f', till)) end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], unpack(fields))
end
redis.call('PEXPIRE', KEYS[1], kept)
local retryAfter = state == 'open' and math.max(0, retryAt - now) or 0
local said = string.format('{"run":%.0f,"epoch":%.0f,"state":"%s","retryAfterMs":%.0f,"trips":%.0f}', run, epoch, state, retryAfter, trips)
if told then redis.call('PUBLISH', channel, said) end
return string.format('{"state":%s,"waitMs":%.0f,"token":%s}', said, wait, granted and string.format('%.0f', granted) or 'null')
`;
