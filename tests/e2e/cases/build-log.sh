# SPDX-License-Identifier: GPL-2.0-only
# backends: nft
# shellcheck disable=SC2086
# DKMS built the module without a word of complaint from gcc, objtool or modpost.
log=/var/lib/dkms/packetscript/*/$(uname -r)/x86_64/log/make.log
grep -q 'LD \[M\].*xt_LUA.ko' $log
# A kernel without its vmlinux cannot have BTF in modules, which is no fault of ours.
if grep -iE 'warning|error' $log | grep -vE 'exit code|BTF'; then exit 1; fi
is "$(dpkg-query -W -f "\${Version}" packetscript-dkms)" "$(modinfo -F version xt_LUA)" "the version of the module"
