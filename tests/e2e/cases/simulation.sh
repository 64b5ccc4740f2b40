# SPDX-License-Identifier: GPL-2.0-only
# pstui tries scripts without the kernel, as it is installed: optimised. Freed memory is overwritten, so
# whoever reads or writes a packet where it was before it moved is found out.
export MALLOC_PERTURB_=170
cat >writes.lua <<'EOF'
function process_packet(p)
  p.ip.ttl = 7
  p.ip.dscp = 10
  p.udp.dport = 99
  p.payload = ("y"):rep(300) .. p.payload
  p.ip.dscp = 46
  p.udp.sport = p.udp.sport + 1
  return ACCEPT, p.payload:sub(-5)
end
EOF
cat >writes_test.lua <<'EOF'
local function written(o)
  local b = o.packet
  assert(#b == 28 + 305 and b:byte(2) >> 2 == 46 and b:byte(9) == 7, #b)
  assert((">I2I2"):unpack(b, 21) == 4001 and b:sub(23, 24) == "\0\99" and b:sub(-6) == "yhello", b:sub(21, 24))
end
return { { {
  proto = "udp", sport = 4000, dport = 53, payload = "hello", times = 20,
  expect = "ACCEPT", reason = "hello", check = written,
} } }
EOF
says '^ok .*20 packets' "$(console test writes_test.lua)"
# The same of a capture: raw IPv4, a packet that is let through and one that is not.
cat >capture.lua <<'EOF'
local function udp(port)
  local text = ("payload "):rep(20)
  return (">BBHHHBBHIIHHHH"):pack(0x45, 0, 28 + #text, 1, 0, 64, 17, 0, 0x0a000001, 0x0a000002, 4000, port, 8 + #text, 0) .. text
end
io.write(("<I4HHI4I4I4I4"):pack(0xa1b2c3d4, 2, 4, 0, 0, 65535, 101))
for i, port in ipairs { 53, 54, 53 } do
  io.write(("<I4I4I4I4"):pack(i, 0, #udp(port), #udp(port)), udp(port))
end
EOF
pstui lua capture.lua >in.pcap
cat >ports.lua <<'EOF'
function process_packet(p)
  if p.udp.dport == 54 then return DROP end
  p.payload = p.payload .. p.payload
  p.udp.dport = 55
end
EOF
says '^2 packets written' "$(console run ports.lua --pcap in.pcap --write out.pcap)"
echo 'function process_packet(p) print(p.udp.dport, #p.payload, p.payload:sub(-8)) end' >look.lua
is "55	320	payload 
55	320	payload " "$(pstui run look.lua --pcap out.pcap | grep payload)"
