# SPDX-License-Identifier: GPL-2.0-only
#
# What the packages that cargo builds from the workspace have in common.
{
  version = import ./version.nix;
  src = import ./source.nix [
    "Cargo.toml"
    "Cargo.lock"
    "kmod/abi"
    "kmod/engine"
    "kmod/engine.h"
    "xtables-plugin"
    "pstui"
    # Members of the workspace that are not built: cargo wants to see that they exist.
    "tests/fuzz/Cargo.toml"
    "tests/fuzz/src/lib.rs"
    "tests/guest/Cargo.toml"
    "tests/guest/src/lib.rs"
    "tests/guest/src/main.rs"
    "tests/harness/Cargo.toml"
    "tests/harness/src/main.rs"
  ];
  cargoLock.lockFile = ../../Cargo.lock;
  # The tests want a kernel and namespaces: `cargo xtask test` runs them.
  doCheck = false;
}
