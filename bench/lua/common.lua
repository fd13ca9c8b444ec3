-- Shared by both load scripts: the request to send comes from a state file that bench/load.py writes as a Lua table,
-- and what was counted leaves as one JSON line.
local common = {}

function common.state()
  return dofile(os.getenv("BENCH_STATE"))
end

-- Prints what wrk itself counted, and under "trips" what the script counted (nil for plain.lua).
function common.report(summary, latency, trips)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format(
    '\nRESULT {"seconds":%.6f,"requests":%d,"failed":%d,"p50_us":%.1f,"p99_us":%.1f,"trips":%s}\n',
    summary.duration / 1e6, summary.requests, failed,
    latency:percentile(50), latency:percentile(99), trips or "null"))
end

return common
