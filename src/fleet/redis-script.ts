/**
 * The rules of model/fleet.ts, to run where the record is, in one go. One hash per dependency; times are the server's.
 *
 * KEYS[1]: the record. ARGV: what is asked (`read`, `lease`, or a report: `down`, `failed`, `recovered`), by whom, the quorum, a
 * span in ms (of the lease, or until a probe), a token, the channel, for how long a record is kept that nobody changes, and until when
 * the question counts, on the server's clock: one that a frozen server has kept is old when it thaws. 0: however old.
 */
export const FLEET_SCRIPT = `
local asked, by, quorum, span, token, channel, kept, counts = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5]), ARGV[6], ARGV[7], tonumber(ARGV[8])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local isLate = counts > 0 and now > counts
if isLate then asked = 'read' end
local record, votes = {}, {}
local flat = redis.call('HGETALL', KEYS[1])
for i = 1, #flat, 2 do
  local voter = string.match(flat[i], '^v:(.*)$')
  if voter then votes[voter] = tonumber(flat[i + 1]) or 0 else record[flat[i]] = flat[i + 1] end
end
local function number(name, default) return tonumber(record[name]) or default end
local run, epoch = number('run', 0), number('epoch', 1)
local state = record.state == 'open' and 'open' or 'closed'
local retryAt, trips = number('retryAt', 0), number('trips', 0)
local leases, before = number('leases', 0), number('before', 0)
local holder, held, till = record.holder, number('token', 0), number('till', 0)
local isHeld = holder ~= nil and till > now
local changed, told, granted, wait = false, false, nil, 0

local function become(next, at, failed)
  if run == 0 then run = now end
  epoch, state, retryAt, trips, votes, before = epoch + 1, next, at, failed, {}, leases
  holder, told = nil, true
end

local function vote(failed)
  local count, live = 1, { [by] = now + span }
  for voter, ends in pairs(votes) do
    if ends > now and voter ~= by then live[voter] = ends; count = count + 1 end
  end
  votes, holder, changed = live, nil, true
  if count >= quorum then become('open', now + span, failed) end
end

if asked == 'down' then
  if state == 'closed' or (now >= retryAt and not isHeld) then vote(0) end
elseif asked == 'failed' then
  if state == 'open' and holder ~= nil and held == token then vote(trips + 1) end
elseif asked == 'recovered' then
  local late = token <= before
  if token == 0 then late = now < retryAt or isHeld end
  if state == 'open' and not late and token <= leases then become('closed', 0, 0); changed = true end
elseif asked == 'lease' and state == 'open' then
  local passed = votes[by] or 0
  if now < retryAt then wait = retryAt - now
  elseif isHeld and holder ~= by then wait = till - now
  elseif passed > now then wait = passed - now
  else
    if not isHeld then leases = leases + 1; held = leases end
    holder, till, granted, changed = by, now + span, held, true
  end
end

if changed then
  local fields = {}
  local function put(name, value) table.insert(fields, name); table.insert(fields, type(value) == 'number' and string.format('%.0f', value) or value) end
  put('run', run); put('epoch', epoch); put('state', state); put('retryAt', retryAt); put('trips', trips); put('leases', leases); put('before', before)
  if holder then put('holder', holder); put('token', held); put('till', till) end
  for voter, ends in pairs(votes) do put('v:' .. voter, ends) end
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], unpack(fields))
  redis.call('PEXPIRE', KEYS[1], kept)
end
local retryAfter = state == 'open' and math.max(0, retryAt - now) or 0
local said = string.format('{"run":%.0f,"epoch":%.0f,"state":"%s","retryAfterMs":%.0f,"trips":%.0f}', run, epoch, state, retryAfter, trips)
if told then redis.call('PUBLISH', channel, said) end
return string.format('{"state":%s,"waitMs":%.0f,"token":%s,"now":%.0f,"isLate":%s}', said, wait, granted and string.format('%.0f', granted) or 'null', now, tostring(isLate))
`;
