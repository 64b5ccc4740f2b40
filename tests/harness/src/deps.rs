// SPDX-License-Identifier: GPL-2.0-only
//! What this machine must have: installed through apt-get where that exists, named elsewhere.

use std::path::Path;

use anyhow::{Result, bail};

use crate::command::{as_root, output};
use crate::progress::step;

/// A program and the Debian package that brings it.
type Need = (&'static str, &'static str);

/// What building and booting machines needs.
pub const MACHINES: &[Need] = &[
    ("mke2fs", "e2fsprogs"),
    ("mmdebstrap", "mmdebstrap"),
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("setpriv", "util-linux"),
    ("tar", "tar"),
    ("unshare", "util-linux"),
    ("xz", "xz-utils"),
    ("zstd", "zstd"),
];

/// What compiling for the kernel needs, beside Rust.
pub const COMPILE: &[Need] = &[("gcc", "gcc"), ("ld", "binutils"), ("make", "make")];

/// What packing needs.
pub const PACKAGING: &[Need] = &[("dpkg-deb", "dpkg"), ("dpkg-parsechangelog", "dpkg-dev")];

/// What the workspace's own tests run.
pub const TESTS: &[Need] = &[
    ("gcc", "gcc"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("objdump", "binutils"),
];

/// What building the flake needs.
pub const NIX: &[Need] = &[("nix", "nix-bin")];

/// The folders beyond PATH that hold programs for root.
const ROOTS_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(ROOTS_FOLDERS.iter().map(Into::into))
        .any(|folder| folder.join(program).is_file())
}

/// Makes sure that the programs of `needs` are there.
pub fn need(needs: &[Need]) -> Result<()> {
    let mut missing: Vec<_> = needs
        .iter()
        .filter(|(program, _)| !is_there(program))
        .map(|(_, package)| *package)
        .collect();
    missing.sort_unstable();
    missing.dedup();
    if missing.is_empty() {
        return Ok(());
    }
    install(&missing)
}

/// Makes sure that Debian packages which bring no program are installed.
pub fn need_packages(packages: &[&str]) -> Result<()> {
    let is_installed = |package: &&str| {
        let mut query = std::process::Command::new("dpkg-query");
        query.args(["-W", "-f", "${db:Status-Status}", package]);
        output(&mut query).is_ok_and(|state| state == b"installed")
    };
    let missing: Vec<_> = packages
        .iter()
        .copied()
        .filter(|name| !is_installed(name))
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        install(&missing)
    }
}

/// The version of an installed Debian package.
pub fn version_of(package: &str) -> Result<Vec<u8>> {
    output(std::process::Command::new("dpkg-query").args(["-W", "-f", "${Version}", package]))
}

fn install(packages: &[&str]) -> Result<()> {
    let names = packages.join(" ");
    if !Path::new("/usr/bin/apt-get").exists() {
        bail!("please install what Debian calls {names}");
    }
    step(
        &format!("installing {names} with apt-get (a minute or two)"),
        || {
            let apt = |arguments: &[&str]| {
                let mut command = as_root("env");
                command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]);
                output(command.args(arguments))
            };
            apt(&["update"])?;
            apt(&[&["install", "--no-install-recommends"][..], packages].concat())
        },
    )?;
    Ok(())
}
