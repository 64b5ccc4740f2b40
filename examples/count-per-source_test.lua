-- SPDX-License-Identifier: GPL-2.0-only
local function ping(src, expect, more)
  local six = src:find(":", 1, true)
  local packet = {
    proto = "icmp", src = src, dst = six and "2001:db8::ff" or "10.0.0.255", expect = expect,
    reason = expect == "DROP" and "over the limit" or nil,
  }
  for key, value in pairs(more or {}) do
    packet[key] = value
  end
  return packet
end

return {
  {
    args = { limit = "3", seconds = "10" },
    ping("10.0.0.1", "CONTINUE", { at = 1000, times = 3 }),
    ping("10.0.0.1", "DROP"),
    ping("10.0.0.2", "CONTINUE"),
    ping("2001:db8::1", "CONTINUE", { times = 3 }),
    ping("2001:db8::1", "DROP"),
    ping("2001:db8::2", "CONTINUE"),
    ping("10.0.0.1", "DROP"),
    ping("10.0.0.1", "CONTINUE", { at = 1000000 }),
    ping("2001:db8::1", "CONTINUE", { times = 3 }),
    ping("2001:db8::1", "DROP"),
  },
  {
    -- The third source makes the script forget the first two.
    args = { limit = "1", sources = "2" },
    ping("10.0.0.1", "CONTINUE", { at = 5 }),
    ping("10.0.0.1", "DROP"),
    ping("10.0.0.2", "CONTINUE"),
    ping("10.0.0.3", "CONTINUE"),
    ping("10.0.0.1", "CONTINUE"),
  },
  { args = { limit = "0" }, fails = "limit: '0' is not a positive whole number" },
  { args = { seconds = "soon" }, fails = "seconds: 'soon' is not a positive whole number" },
}
