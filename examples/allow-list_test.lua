-- SPDX-License-Identifier: GPL-2.0-only
local function from(src, expect)
  local dst = src:find(":", 1, true) and "2001:db8:ffff::1" or "10.255.0.1"
  return {
    proto = "tcp", src = src, dst = dst, sport = 4000, dport = 22, expect = expect,
    reason = expect == "DROP" and "not on the list" or nil,
  }
end

return {
  {
    args = { allow = "192.0.2.0/24,198.51.100.7,2001:db8::/32" },
    from("192.0.2.1", "ACCEPT"),
    from("192.0.2.255", "ACCEPT"),
    from("192.0.3.0", "DROP"),
    from("198.51.100.7", "ACCEPT"),
    from("198.51.100.8", "DROP"),
    from("2001:db8::1", "ACCEPT"),
    from("2001:db8:1234::1", "ACCEPT"),
    from("2001:db9::1", "DROP"),
    -- Again, from what was remembered.
    from("192.0.2.1", "ACCEPT"),
    from("2001:db9::1", "DROP"),
    { proto = "neighbour", src = "fe80::1", dst = "ff02::1", expect = "ACCEPT" },
  },
  {
    from("127.0.0.1", "ACCEPT"),
    from("::1", "ACCEPT"),
    from("10.0.0.1", "DROP"),
  },
  { args = { allow = "192.0.2.0/33" }, fails = "192.0.2.0/33" },
}
