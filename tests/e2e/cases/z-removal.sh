# SPDX-License-Identifier: GPL-2.0-only
# backends: nft
# The last case: the packages go, and leave nothing behind.
kernel=$(uname -r)
modinfo -k "$kernel" xt_LUA >/dev/null
dpkg --purge packetscript-iptables pstui packetscript-dkms
refuses modinfo -k "$kernel" xt_LUA
[ ! -e /usr/src/packetscript-* ]
[ ! -e /var/lib/dkms/packetscript ]
[ ! -e /usr/lib/x86_64-linux-gnu/xtables/libxt_LUA.so ]
[ ! -e /usr/share/packetscript ]
is 1 "$(probe udp $SERVER 9 1)" "packets go on"
