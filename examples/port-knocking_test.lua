-- SPDX-License-Identifier: GPL-2.0-only
local function syn(src, dport, expect, more)
  local packet = {
    proto = "tcp", flags = "S", src = src, dst = src:find(":", 1, true) and "2001:db8::ff" or "10.0.0.255",
    sport = 4000, dport = dport, expect = expect,
    reason = expect == "DROP" and (dport == 22 and "closed" or "knock") or nil,
  }
  for key, value in pairs(more or {}) do
    packet[key] = value
  end
  return packet
end

return {
  {
    args = { knocks = "7000,8000,9000", open = "30" },
    syn("10.0.0.1", 22, "DROP", { at = 1000 }),
    syn("10.0.0.1", 7000, "DROP"),
    syn("10.0.0.1", 7000, "DROP"),
    syn("10.0.0.1", 8000, "DROP"),
    syn("2001:db8::1", 9000, "CONTINUE"),
    syn("10.0.0.1", 22, "DROP"),
    syn("10.0.0.1", 9000, "DROP"),
    syn("10.0.0.1", 22, "CONTINUE"),
    syn("10.0.0.2", 22, "DROP"),
    syn("10.0.0.2", 22, "CONTINUE", { flags = "A" }),
    syn("10.0.0.2", 22, "CONTINUE", { flags = "SA" }),
    syn("10.0.0.1", 22, "CONTINUE", { at = 30999 }),
    syn("10.0.0.1", 22, "DROP", { at = 31000 }),
    -- IPv6, and only from the address that knocked.
    syn("2001:db8::1", 7000, "DROP"),
    syn("2001:db8::1", 8000, "DROP"),
    syn("2001:db8::1", 9000, "DROP"),
    syn("2001:db8::1", 22, "CONTINUE"),
    syn("2001:db8::2", 22, "DROP"),
    -- A wrong one begins anew, and so does one that comes too late.
    syn("10.0.0.3", 7000, "DROP"),
    syn("10.0.0.3", 7001, "CONTINUE"),
    syn("10.0.0.3", 8000, "CONTINUE"),
    syn("10.0.0.3", 7000, "DROP"),
    syn("10.0.0.3", 8000, "DROP", { at = 40999 }),
    syn("10.0.0.3", 9000, "CONTINUE", { at = 50999 }),
    syn("10.0.0.3", 22, "DROP"),
  },
  { args = {}, fails = "knocks: the list is empty" },
  { args = { knocks = "22" }, fails = "knocks: 22 is the port itself" },
  { args = { knocks = "7000,x" }, fails = "knocks: 'x' is not a number from 1 to 65535" },
}
