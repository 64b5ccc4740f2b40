#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# rustc.sh RUSTC ARG…: the compiler as cargo calls it, without the number that cargo makes of where
# each package lies: it gets into every symbol's name, and so into their order.
set -eu

rustc=$1
shift
for arg in "$@"; do
	case $arg in
	metadata=*) arg=metadata=packetscript ;;
	esac
	set -- "$@" "$arg"
	shift
done
exec "$rustc" "$@"
