// SPDX-License-Identifier: GPL-2.0-only
//! The programs for user space: built by our toolchain inside the oldest release's root, so that
//! what they ask of libc every later release has too.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{contained_script, logged, output};
use crate::progress;
use crate::root::Root;
use crate::sources::Sources;
use crate::suite::Suite;
use crate::tools::{cargo, dispatch_flags, target_folder, workspace};

/// The release whose libc is asked for.
const OLDEST: &str = "bullseye";

/// Arguments: image, mount point, toolchain, sources, target folder, cargo's home, owner, epoch, flags.
const BUILD: &str = r#"
image=$1 point=$2 toolchain=$3 sources=$4 target=$5 cargo=$6 owner=$7 epoch=$8 flags=$9
mount -o loop,ro "$image" "$point"
mount -t tmpfs tmpfs "$point/tmp"
mount -t tmpfs tmpfs "$point/mnt"
mount -t proc proc "$point/proc"
mount --rbind /dev "$point/dev"
at() { mkdir "$point/mnt/$1"; mount --bind "$2" "$point/mnt/$1"; }
at toolchain "$toolchain"
at sources "$sources"
at target "$target"
at cargo "$cargo"
inside() { chroot "$point" /usr/bin/env -i -C /mnt/sources PATH=/mnt/toolchain/bin:/usr/bin:/bin \
    HOME=/tmp CARGO_HOME=/mnt/cargo CARGO_TARGET_DIR=/mnt/target SOURCE_DATE_EPOCH="$epoch" RUSTFLAGS="$flags" \
    CARGO_PROFILE_RELEASE_DEBUG=false CARGO_PROFILE_RELEASE_STRIP=symbols "$@"; }
pstui=/mnt/target/release/pstui
complete() { inside $pstui completions $1 >"$target/pstui.$1"; }
status=0
{
    inside cargo build --frozen --release --package xtables-plugin --package pstui &&
        complete bash && complete fish && complete zsh && inside $pstui man >"$target/pstui.1"
} || status=$?
chown -R "$owner" "$target"
exit $status
"#;

/// Builds the programs and what describes them; cargo knows what is up to date. The files are
/// libxt_LUA.so, pstui, its manual page and its completions.
pub fn programs(sources: &Sources, epoch: u64) -> Result<Vec<PathBuf>> {
    let root = Root::of(&Suite::by_name(OLDEST)?)?;
    let target = target_folder().join(OLDEST);
    let point = target_folder().join("root");
    for folder in [&target, &point] {
        std::fs::create_dir_all(folder)?;
    }
    let text = |command: &mut Command| -> Result<String> {
        Ok(String::from_utf8_lossy(&output(command)?).trim().to_owned())
    };
    let toolchain = text(
        Command::new("rustc")
            .args(["--print", "sysroot"])
            .current_dir(workspace()),
    )?;
    output(cargo().args(["fetch", "--quiet"]))?;
    let home = match std::env::var_os("CARGO_HOME") {
        Some(home) => PathBuf::from(home),
        None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cargo"),
    };
    let owner = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
    progress::step(
        "building the programs for every release (about 3 minutes)",
        || {
            let mut build = contained_script(BUILD);
            build
                .arg(root.image())
                .arg(&point)
                .arg(toolchain)
                .arg(sources.top())
                .arg(&target);
            build.arg(home).arg(owner).arg(epoch.to_string());
            build.arg(dispatch_flags());
            logged(&mut build, &target_folder().join("programs.log"))
        },
    )?;
    let built = ["release/libxt_LUA.so", "release/pstui"];
    let written = ["pstui.1", "pstui.bash", "pstui.zsh", "pstui.fish"];
    Ok(built
        .iter()
        .chain(&written)
        .map(|name| target.join(name))
        .collect())
}
