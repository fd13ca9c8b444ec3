-- Work in which each request needs the answer before it: the sign-on round trip and the rotating refresh token.
-- wrk does not tell response() which connection of a thread it is about, so this runs with as many threads as
-- connections: what a thread remembers is then what its one connection remembers.
local common = require "common"
local ffi = require "ffi"

ffi.cdef [[
  typedef struct { long seconds; long nanoseconds; } moment;
  int clock_gettime(int clock, moment *now);
]]
local MONOTONIC = 1
local now = ffi.new("moment")

local function microseconds()
  ffi.C.clock_gettime(MONOTONIC, now)
  return tonumber(now.seconds) * 1e6 + tonumber(now.nanoseconds) / 1e3
end

-- Globals, because wrk hands only those to done().
completed, refused, first_refusal, histogram = 0, 0, "", {}

local BUCKET = 20 -- microseconds
local threads = {}
local own, step, began = nil, 1, nil

function setup(thread)
  table.insert(threads, thread)
  thread:set("number", #threads)
end

function init()
  local state = common.state()
  own = state.connections[number]
end

-- A step's request: its text stands ready but for the one value the answer before it brought.
function request()
  local now_at = own.steps[step]
  if step == 1 then began = microseconds() end
  return wrk.format(now_at.method, now_at.path, now_at.headers, now_at.before .. (own.value or "") .. now_at.after)
end

local function encoded(value)
  return (string.gsub(value, "[^%w%-%._~]", function(c) return string.format("%%%02X", string.byte(c)) end))
end

local function refuse(status, headers, body)
  refused = refused + 1
  if first_refusal == "" then
    first_refusal = string.format("step %d: status %d %s %s", step, status,
      headers["Location"] or headers["location"] or "", string.sub(body, 1, 300))
  end
  step = 1
end

function response(status, headers, body)
  local expected = own.steps[step]
  if status ~= expected.status and status ~= expected.or_status then return refuse(status, headers, body) end
  local text = expected.where == "location" and (headers["Location"] or headers["location"] or "") or body
  for _, pattern in ipairs(expected.contains) do
    if not string.find(text, pattern) then return refuse(status, headers, body) end
  end
  if expected.take then own.value = expected.where == "location" and string.match(text, expected.take)
    or encoded(string.match(text, expected.take)) end -- a redirect's value is encoded already
  if step < #own.steps then
    step = step + 1
    return
  end
  step = 1
  completed = completed + 1
  local bucket = math.floor((microseconds() - began) / BUCKET)
  histogram[bucket] = (histogram[bucket] or 0) + 1
end

local function percentile(counts, total, share)
  local buckets, seen = {}, 0
  for bucket in pairs(counts) do table.insert(buckets, bucket) end
  table.sort(buckets)
  for _, bucket in ipairs(buckets) do
    seen = seen + counts[bucket]
    if seen >= total * share then return (bucket + 1) * BUCKET end
  end
  return 0
end

function done(summary, latency)
  local total, wrong, why, counts = 0, 0, "", {}
  for _, thread in ipairs(threads) do
    total = total + thread:get("completed")
    wrong = wrong + thread:get("refused")
    if why == "" then why = thread:get("first_refusal") end
    for bucket, count in pairs(thread:get("histogram")) do counts[bucket] = (counts[bucket] or 0) + count end
  end
  why = string.gsub(why, '[%c"\\]', " ")
  common.report(summary, latency, string.format(
    '{"completed":%d,"refused":%d,"first_refusal":"%s","p50_us":%.0f,"p99_us":%.0f}',
    total, wrong, why, percentile(counts, total, 0.5), percentile(counts, total, 0.99)))
end
