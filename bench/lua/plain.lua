-- The same request again and again. No request() and no response() function: wrk then formats the request once and
-- reads answers without entering Lua, so the load stays far cheaper than the server.
local common = require "common"

function init()
  local state = common.state()
  wrk.method = state.method
  wrk.body = state.body
  for name, value in pairs(state.headers) do wrk.headers[name] = value end
end

function done(summary, latency)
  common.report(summary, latency)
end
