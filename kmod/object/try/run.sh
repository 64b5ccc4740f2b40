#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Builds the object with a deliberate mistake in it (feature "mistake"), links it into try.c and
# runs the checks. Needs what build.sh needs, and gcc.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The two mistakes are all that may panic.
PS_PANICS=2 PS_FEATURES=mistake sh "$here/../build.sh" "$work/engine.elf" >"$work/log" || {
	cat "$work/log" >&2
	exit 1
}
if ! grep -q 'ps_run_inside -> .*panic' "$work/log"; then
	echo "run.sh: check.sh does not see the panic in ps_run_inside" >&2
	exit 1
fi
# The object is code for a fixed low or high address, so the program has to be static.
gcc -O2 -Wall -Wextra -static -no-pie -o "$work/try" "$here/try.c" "$here/thunks.S" "$work/engine.elf"
"$work/try"
