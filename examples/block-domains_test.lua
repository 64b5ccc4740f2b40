-- SPDX-License-Identifier: GPL-2.0-only
local function query(name, flags)
  local labels = name:gsub("([^.]+)%.?", function(label) return string.pack("s1", label) end)
  return string.pack(">I2I2I2I2I2I2", 0x1234, flags or 0x0100, 1, 0, 0, 0) .. labels .. string.pack(">zI2I2", "", 1, 1)
end

local function hello(name)
  local server = string.pack(">I2s2", 0, string.pack(">s2", "\0" .. string.pack(">s2", name)))
  local body = string.pack(">I2", 0x0303) .. ("r"):rep(32) .. "\0" .. string.pack(">s2", "\x13\x01") .. "\1\0"
    .. string.pack(">s2", server)
  return "\x16\x03\x01" .. string.pack(">s2", "\1" .. string.pack(">I3", #body) .. body)
end

local function sent(proto, dport, payload, expect, reason)
  return {
    proto = proto, src = "10.0.0.1", dst = "10.0.0.2", sport = 4000, dport = dport, payload = payload,
    expect = expect, reason = reason,
  }
end

return {
  {
    args = { domains = "example.com,Ads.Example.net" },
    sent("udp", 53, query "example.com", "DROP", "dns"),
    sent("udp", 53, query "WWW.Example.COM", "DROP", "dns"),
    sent("udp", 53, query "a.b.ads.example.net", "DROP", "dns"),
    sent("udp", 53, query "example.net", "CONTINUE"),
    sent("udp", 53, query "notexample.com", "CONTINUE"),
    sent("udp", 53, query("example.com", 0x8180), "CONTINUE"),
    sent("udp", 53, query("example.com"):sub(1, 20), "CONTINUE"),
    sent("udp", 54, query "example.com", "CONTINUE"),
    sent("tcp", 53, string.pack(">s2", query "example.com"), "DROP", "dns"),
    sent("tcp", 443, hello "www.example.com", "DROP", "tls"),
    sent("tcp", 8443, hello "www.EXAMPLE.com", "DROP", "tls"),
    sent("tcp", 443, hello "www.example.org", "CONTINUE"),
    sent("tcp", 443, hello("www.example.com"):sub(1, 60), "CONTINUE"),
    sent("tcp", 80, "GET / HTTP/1.1\r\nHost: Example.com:8080\r\n\r\n", "DROP", "http"),
    sent("tcp", 80, "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "CONTINUE"),
    sent("tcp", 80, "GET / HTTP/1.1\r\n\r\n", "CONTINUE"),
    sent("tcp", 80, "", "CONTINUE"),
    { proto = "icmp", src = "10.0.0.1", dst = "10.0.0.2", expect = "CONTINUE" },
  },
  { args = {}, fails = "domains: the list is empty" },
}
