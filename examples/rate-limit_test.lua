-- SPDX-License-Identifier: GPL-2.0-only
local function from(src, expect, more)
  local packet = {
    proto = "udp", src = src, dst = src:find(":", 1, true) and "2001:db8::ff" or "10.0.0.255",
    sport = 4000, dport = 27015, expect = expect, reason = expect == "DROP" and "too many" or nil,
  }
  for key, value in pairs(more or {}) do
    packet[key] = value
  end
  return packet
end

return {
  {
    args = { rate = "2", burst = "3", exempt = "10.0.1.0/24,2001:db8:1::/48" },
    from("10.0.0.1", "CONTINUE", { at = 1000, times = 3 }),
    from("10.0.0.1", "DROP"),
    from("10.0.0.2", "CONTINUE"),
    from("10.0.0.1", "DROP", { at = 1499 }),
    from("10.0.0.1", "CONTINUE", { at = 1500 }),
    from("10.0.0.1", "DROP"),
    from("10.0.0.1", "CONTINUE", { at = 60000, times = 3 }),
    from("10.0.0.1", "DROP"),
    from("10.0.1.1", "CONTINUE", { times = 50 }),
    from("2001:db8::1", "CONTINUE", { times = 3 }),
    from("2001:db8::2", "DROP"),
    from("2001:db8:0:1::2", "CONTINUE"),
    from("2001:db8:1::1", "CONTINUE", { times = 50 }),
  },
  {
    args = { rate = "0.2" },
    from("10.0.0.1", "CONTINUE", { at = 1000 }),
    from("10.0.0.1", "DROP", { at = 5000 }),
    from("10.0.0.1", "CONTINUE", { at = 6000 }),
  },
  { args = { exempt = "10.0.0.0/99" }, fails = "10.0.0.0/99" },
}
