-- SPDX-License-Identifier: GPL-2.0-only
-- Drops connections to one server by the name in their ClientHello; what is measured is one to
-- www.example.com.
function process_packet(p)
  local tls = p.tls
  if tls and tls.sni == "www.example.org" then return DROP end
  return ACCEPT
end
