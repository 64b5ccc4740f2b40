# SPDX-License-Identifier: GPL-2.0-only
# Root of a user namespace may not run code in the kernel.
module
echo 'function process_packet(p) return DROP end' >user.lua
chmod 755 .
# A rule without code is what such a root may have.
unshare --user --map-root-user --net "iptables-$BACKEND" -A INPUT -j ACCEPT
refuses unshare --user --map-root-user --net "iptables-$BACKEND" -A INPUT -j LUA --script user.lua
refuses unshare --user --map-root-user --net pstui load user.lua
