-- SPDX-License-Identifier: GPL-2.0-only
local function sent(proto, src, payload, expect, reason)
  return {
    proto = proto, src = src, dst = src, sport = 4000, dport = 80, payload = payload,
    expect = expect, reason = reason,
  }
end

return {
  {
    sent("tcp", "10.0.0.1", "GET /index.html HTTP/1.1\r\n\r\n", "CONTINUE"),
    sent("tcp", "10.0.0.1", "GET /Secret.html HTTP/1.1\r\n\r\n", "DROP", "secret"),
    sent("tcp", "10.0.0.1", "", "CONTINUE"),
    sent("udp", "10.0.0.1", "tell no secret", "DROP", "secret"),
    sent("udp", "2001:db8::1", "tell no secret", "DROP", "secret"),
    sent("udp", "2001:db8::1", "tell no secre", "CONTINUE"),
    sent("icmp", "10.0.0.1", "SECRET", "DROP", "secret"),
  },
  {
    args = { words = "alpha,%a+" },
    sent("tcp", "10.0.0.1", "the word is Alpha", "DROP", "alpha"),
    sent("tcp", "10.0.0.1", "words are no patterns", "CONTINUE"),
    sent("tcp", "10.0.0.1", "unless they say %a+", "DROP", "%a+"),
  },
  { args = { words = "," }, fails = "words: the list is empty" },
}
