-- SPDX-License-Identifier: GPL-2.0-only
local function udp(src, dst, sport, dport, expect, reason)
  return {
    proto = "udp", src = src, dst = dst, sport = sport, dport = dport,
    expect = expect, reason = reason,
  }
end

return {
  {
    udp("10.0.0.1", "10.0.0.2", 4000, 53, "DROP", "port 53"),
    udp("10.0.0.2", "10.0.0.1", 53, 4000, "DROP", "port 53"),
    udp("10.0.0.1", "10.0.0.2", 4000, 54, "CONTINUE"),
    udp("2001:db8::1", "2001:db8::2", 4000, 53, "DROP", "port 53"),
    udp("2001:db8::1", "2001:db8::2", 4000, 5353, "CONTINUE"),
    { proto = "tcp", src = "10.0.0.1", dst = "10.0.0.2", sport = 4000, dport = 53, expect = "CONTINUE" },
    { proto = "icmp", src = "10.0.0.1", dst = "10.0.0.2", expect = "CONTINUE" },
  },
  {
    args = { ports = "123,5353" },
    udp("10.0.0.1", "10.0.0.2", 4000, 53, "CONTINUE"),
    udp("10.0.0.1", "10.0.0.2", 4000, 123, "DROP", "port 123"),
    udp("2001:db8::1", "2001:db8::2", 4000, 5353, "DROP", "port 5353"),
  },
  { args = { ports = "dns" }, fails = "ports: 'dns' is not a port number" },
  { args = { ports = "53,70000" }, fails = "ports: '70000' is not a port number" },
}
