# SPDX-License-Identifier: GPL-2.0-only
# Named maps are shared by scripts and outlive a reload; p.tls sees a ClientHello in two segments.
cat >hits.lua <<'LUA'
local hits = map { name = "hits", max = 100 }
function process_packet(p) if hits:incr(p.dport) > 3 then return DROP end return ACCEPT end
LUA
cat >other.lua <<'LUA'
local hits = map { name = "hits", max = 100 }
function process_packet(p) if (hits:get(1) or 0) > 3 then return ACCEPT end return DROP end
LUA
cat >wrong.lua <<'LUA'
map { name = "hits", max = 5 }
function process_packet(p) end
LUA
console load hits.lua
ipt -A INPUT -p udp --dport 1 -j LUA --name hits
ipt -A INPUT -p udp --dport 2 -j LUA --script other.lua
is 0 "$(probe udp $SERVER 2 1)" "nothing counted"
is 3 "$(probe udp $SERVER 1 5)" "counted"
is 1 "$(probe udp $SERVER 2 1)" "seen by another script"
echo "-- edited" >>hits.lua
console reload hits
is 0 "$(probe udp $SERVER 1 1)" "after the reload"
says "'hits' is there with max = 100 .* one specification" \
    "$(refuses ipt -A INPUT -p udp --dport 3 -j LUA --script wrong.lua)"
ipt -F INPUT
console unload hits
eventually 10 no_rows
ipt -A INPUT -p udp --dport 1 -j LUA --script hits.lua
is 3 "$(probe udp $SERVER 1 5)" "a new map"

cat >sni.lua <<'LUA'
function process_packet(p)
  if p.tls and p.tls.sni == "split.example" then return DROP end
  return ACCEPT
end
LUA
ipt -A INPUT -p tcp --dport 443 -j LUA --script sni.lua
cat >tls.pl <<'PERL'
use strict; use warnings; use Socket;
my ($role, $name) = @ARGV;
if ($role eq "server") {
    socket(my $listener, PF_INET, SOCK_STREAM, 0) or die;
    setsockopt($listener, SOL_SOCKET, SO_REUSEADDR, 1);
    bind($listener, sockaddr_in(443, INADDR_ANY)) or die;
    listen($listener, 8) or die;
    sleep 60;
    exit;
}
my $sni = pack("n/a*", pack("Cn/a*", 0, $name));
my $extensions = pack("nn/a*nn/a*", 21, "\0" x 300, 0, $sni);
my $body = pack("n", 0x0303) . ("\7" x 32) . pack("Cn/a*C/a*n/a*", 0, "\x13\x01", "\0", $extensions);
my $hello = pack("Cnn/a*", 0x16, 0x0301, pack("Cxn/a*", 1, $body));
socket(my $socket, PF_INET, SOCK_STREAM, 0) or die;
connect($socket, sockaddr_in(443, inet_aton("10.77.0.2"))) or die;
syswrite($socket, substr($hello, 0, 200));
select(undef, undef, undef, 0.2);
syswrite($socket, substr($hello, 200));
select(undef, undef, undef, 0.2);
PERL
in_server perl tls.pl server >/dev/null 2>&1 &
listener=$!
listening() { in_server grep -q ':01BB ' /proc/net/tcp; }
eventually 10 listening
ip netns exec client perl tls.pl client other.example
is 0 "$(proc rules drop name=sni)" "another name"
ip netns exec client perl tls.pl client split.example
[ "$(proc rules drop name=sni)" -gt 0 ]
is 0 "$(proc rules errors name=sni)" "errors"
kill "$listener"
