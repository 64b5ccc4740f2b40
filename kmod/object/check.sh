#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# check.sh FILE: what must be true of the engine's object, whoever compiled it.
#   no vector or floating-point registers, for the kernel does not save them
#   nothing undefined but the shim's functions and what every kernel exports
#   all functions of engine.h are there
#   no function may panic, and none has a stack frame of over 1024 bytes
# and prints who may, and the largest frames. Status 1 if something is not true; the last line is a
# warning alone, unless PS_PANICS says how many callers of panics there may be.
set -eu

object=$1
here=$(cd "$(dirname "$0")" && pwd)
status=0

code=$(mktemp)
trap 'rm -f "$code" "$code.panics" "$code.callers" "$code.frames"' EXIT
# Without the hashes that Rust's names carry.
objdump -dr --no-show-raw-insn "$object" | c++filt -r | sed 's/\[[0-9a-f]\{16\}\]//g' >"$code"

if grep -En '%[xyz]mm[0-9]|%st\(|%mm[0-7]' "$code" | head -5 | grep .; then
	echo "check.sh: code uses floating-point registers" >&2
	status=1
fi

unknown=$(nm -u "$object" | awk '{ print $2 }' | grep -Ev \
	'^(ps_host_[a-z_]+|memcpy|memmove|memset|memcmp|bcmp|__x86_return_thunk|__x86_indirect_thunk_[a-z0-9]+)$' || true)
if [ -n "$unknown" ]; then
	echo "check.sh: no kernel has these:" $unknown >&2
	status=1
fi

defined=$(nm --defined-only "$object" | awk '$2 == "T" { print $3 }')
for name in $(sed -n 's/^.*\b\(ps_[a-z_]*\)(.*$/\1/p' "$here/../engine.h" | grep -v '^ps_host_' | sort -u); do
	if ! printf '%s\n' "$defined" | grep -qx "$name"; then
		echo "check.sh: engine.h promises $name, and it is not there" >&2
		status=1
	fi
done

# Calls inside one section are recorded by address, so the panics' own addresses are looked up first.
# (try/run.sh sees to it that this is not blind: it must find a mistake that is there.)
nm -C "$object" | sed 's/\[[0-9a-f]\{16\}\]//g' | grep -Ei \
	' t (<?core::.*(panicking::|_fail|_failed|panic_|_panic|::panic)|.*rust_begin_unwind)' >"$code.panics" || true
echo "panics, by caller:"
awk '
	FNR == NR { at = $1; sub(/^0+/, "", at); $1 = ""; $2 = ""; sub(/^ +/, ""); panics[at] = $0; next }
	/^[0-9a-f]+ <.*>:$/ { name = $0; sub(/^[0-9a-f]+ </, "", name); sub(/>:$/, "", name) }
	/R_X86_64_(PLT32|PC32)[ \t]+\.text[+]0x/ {
		to = $0; sub(/^.*[+]0x/, "", to)
		to = sprintf("%x", hex(to) + 4)
		if ((to in panics) && name !~ /^(core::|<.* as core::fmt::|.*rust_begin_unwind)/) {
			print "  " name " -> " panics[to]
			count++
		}
	}
	function hex(text,   value, i) {
		value = 0
		for (i = 1; i <= length(text); i++)
			value = value * 16 + index("0123456789abcdef", substr(text, i, 1)) - 1
		return value
	}
	END { print "  " count + 0 " in all" }
' "$code.panics" "$code" >"$code.callers"
cat "$code.callers"
if [ "$(wc -l <"$code.callers")" -gt $((${PS_PANICS:-0} + 1)) ]; then
	echo "check.sh: these functions may panic; in the engine none may" >&2
	[ -z "${PS_PANICS:-}" ] || status=1
fi

echo "largest stack frames:"
awk '
	/^[0-9a-f]+ <.*>:$/ { name = $0; sub(/^[0-9a-f]+ </, "", name); sub(/>:$/, "", name) }
	/sub +\$0x[0-9a-f]+,%rsp/ { at = $0; sub(/^.*\$0x/, "", at); sub(/,.*$/, "", at); print at, name }
' "$code" | while read -r size name; do
	echo "$((0x$size)) $name"
done | sort -rn >"$code.frames"
head -8 "$code.frames" | sed 's/^/  /'
# The stack has 16 KiB; `cargo xtask stack` looks closer.
if awk 'NR == 1 { exit ($1 > 1024) }' "$code.frames"; then :; else
	echo "check.sh: a frame of over 1024 bytes" >&2
	[ -z "${PS_PANICS:-}" ] || status=1
fi

size "$object"
exit $status
