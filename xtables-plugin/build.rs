// SPDX-License-Identifier: GPL-2.0-only
//! libxtables keeps pointers into the library, and closes it before its host ends: stay mapped.
fn main() {
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo::rerun-if-changed=build.rs");
}
