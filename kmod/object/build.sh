#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# build.sh [OUT]: compiles the engine into one kernel object, the same for every kernel, and checks
# it. OUT is engine.elf beside this file unless given.
#
# Needs a rustc of at least 1.88 with the sources of its core library (Debian 12: rustc-web,
# cargo-web, rust-web-src) and binutils. PS_RUSTC and PS_CARGO name others, RUST_LIB_SRC a folder
# with core's sources elsewhere, CARGO_TARGET_DIR where the work is kept, PS_FEATURES cargo features.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/engine.elf}

rustc=${PS_RUSTC:-}
cargo=${PS_CARGO:-}
if [ -z "$rustc" ]; then
	if [ -x /usr/bin/rustc ] && [ -x /usr/bin/cargo ]; then
		rustc=/usr/bin/rustc
	else
		rustc=rustc
	fi
fi
if [ -z "$cargo" ]; then
	case $rustc in
	*/*) cargo=$(dirname "$rustc")/cargo ;;
	*) cargo=cargo ;;
	esac
fi
for tool in "$rustc" "$cargo" ld objcopy objdump nm awk; do
	command -v "$tool" >/dev/null || {
		echo "build.sh: no $tool here; on Debian: apt-get install rustc-web cargo-web rust-web-src binutils" >&2
		exit 1
	}
done
sysroot=$("$rustc" --print sysroot)
library=${RUST_LIB_SRC:-$sysroot/lib/rustlib/src/rust/library}
if [ ! -f "$library/core/src/lib.rs" ]; then
	echo "build.sh: $library has no sources of core; on Debian: apt-get install rust-web-src" >&2
	exit 1
fi

target=${CARGO_TARGET_DIR:-$here/target}
# An absolute path: cargo runs in another folder.
mkdir -p "$target"
target=$(cd "$target" && pwd)

# Everything that is compiled comes from one folder: what the engine depends on, and what the
# library's lock file names, which comes with its sources.
run() {
	env -u CARGO_ENCODED_RUSTFLAGS -u RUSTUP_TOOLCHAIN RUSTC_BOOTSTRAP=1 RUSTC="$rustc" \
		RUSTC_WRAPPER="$target/rustc.sh" CARGO_TARGET_DIR="$target" "$@"
}
install -m 755 "$here/rustc.sh" "$target/rustc.sh"
vendor=$target/vendor
rm -rf "$vendor"
(cd "$here" && run "$cargo" vendor --quiet --locked --respect-source-config "$vendor" >/dev/null)
mkdir -p "$vendor"
if [ -d "$library/vendor" ]; then
	for crate in "$library"/vendor/*; do
		[ -e "$vendor/${crate##*/}" ] || ln -s "$crate" "$vendor/"
	done
	set -- --offline --config 'source.crates-io.replace-with="here"' \
		--config "source.here.directory=\"$vendor\""
else
	set --
fi

# jump-tables, plt: as the kernel compiles itself, or objtool and modpost complain.
# remap: the object must not tell where it was built.
flags="-Cllvm-args=-enable-tail-merge=0 -Zfunction-return=thunk-extern -Zcf-protection=branch -Cjump-tables=no -Zplt=yes"
flags="$flags --remap-path-prefix=$here=kmod/object"
flags="$flags --remap-path-prefix=$(dirname "$here")/engine=kmod/engine"
flags="$flags --remap-path-prefix=$library=library"
flags="$flags --remap-path-prefix=$vendor=vendor --remap-path-prefix=$target=target"

(
	cd "$here"
	if [ -n "${RUST_LIB_SRC:-}" ]; then
		# Cargo's own way to be told where the library is, when it is not in the sysroot.
		export __CARGO_TESTS_ONLY_SRC_ROOT="$library"
	fi
	export RUSTFLAGS="$flags"
	run "$cargo" build --release --locked -Zbuild-std=core -Zjson-target-spec \
		--target "$here/x86_64-kernel.json" ${PS_FEATURES:+--features "$PS_FEATURES"} "$@"
)

# One object; what nothing reaches from the seam's functions goes.
roots=$(sed -n 's/^.*\b\(ps_[a-z_]*\)(.*$/\1/p' "$here/../engine.h" | grep -v '^ps_host_' | sort -u)
set --
for root in $roots; do
	set -- "$@" -u "$root"
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
ld -r --gc-sections -e ps_run "$@" -T "$here/object.lds" -o "$work/engine.o" \
	"$target/x86_64-kernel/release/libpacketscript_object.a"
# .llvmbc hides the symbols from nm, modpost does not know .stack_sizes.
objcopy --strip-debug -R .llvmbc -R .llvmcmd -R .stack_sizes -R .comment -R .eh_frame \
	-R .note.gnu.property "$work/engine.o"

sh "$here/check.sh" "$work/engine.o"
mv "$work/engine.o" "$out"
