// SPDX-License-Identifier: GPL-2.0-only
//! engine.o: the Lua engine as a kernel object, built once for every kernel.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache::{self, Key};
use crate::command::logged;
use crate::sources::Sources;
use crate::tools::target_folder;
use crate::{deps, progress, stack};

/// Debian's own Rust, which comes with the sources of core and alloc.
const COMPILER: &[&str] = &["cargo-web", "rust-web-src", "rustc-web"];

/// What the object is made from.
const PARTS: [&str; 5] = [
    "Cargo.toml",
    "kmod/abi/packetscript.h",
    "kmod/engine",
    "kmod/engine.h",
    "kmod/object",
];

/// What the object depends on, the compiler included.
pub fn key(sources: &Sources) -> Result<String> {
    deps::need_packages(COMPILER)?;
    let mut key = Key::default();
    for package in COMPILER {
        key.add(deps::version_of(package)?);
    }
    for part in PARTS {
        key.add_tree(sources.top(), part)?;
    }
    Ok(key.finish())
}

/// The object, built if it is not in the cache.
pub fn object(sources: &Sources) -> Result<PathBuf> {
    deps::need(deps::COMPILE)?;
    let folder = cache::folder_of("engine", "engine", &key(sources)?, |making| {
        progress::step("building engine.o (about 2 minutes)", || {
            let mut build = script(sources, "kmod/object/build.sh");
            build.arg(making.join("engine.o"));
            logged(build.current_dir(sources.top()), &making.join("build.log"))
        })
    })?;
    Ok(folder.join("engine.o"))
}

/// Builds the object with a mistake in it and runs it as a program: what the kernel's compiler made
/// of the engine gives the right verdicts there, and a panic is contained.
pub fn try_object(sources: &Sources) -> Result<()> {
    deps::need_packages(COMPILER)?;
    let log = target_folder().join("engine-try.log");
    let name = "the kernel's object as a program (about 3 minutes)";
    progress::step(name, || {
        let mut try_it = script(sources, "kmod/object/try/run.sh");
        logged(try_it.current_dir(sources.top()), &log)
    })
}

/// Reads how much stack the object uses, and shows it.
pub fn check_stack(sources: &Sources) -> Result<()> {
    let table = stack::check(&object(sources)?)?;
    progress::note(&table);
    Ok(())
}

/// A script of the object's, to be run with Debian's toolchain.
fn script(sources: &Sources, path: &str) -> std::process::Command {
    let mut script = std::process::Command::new("sh");
    script.arg(sources.path(path));
    // Our own toolchain's settings are not for Debian's.
    for variable in ["RUSTUP_TOOLCHAIN", "CARGO", "RUSTFLAGS"] {
        script.env_remove(variable);
    }
    script.env("CARGO_TARGET_DIR", target_folder().join("engine"));
    script
}
