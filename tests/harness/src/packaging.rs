// SPDX-License-Identifier: GPL-2.0-only
//! Checks of the packages themselves. That they install, build and go is for the machines.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::check::Counts;
use crate::command::output;
use crate::dist::{self, Packages};
use crate::sources::Sources;

/// What each package must bring.
const CONTENTS: [(&str, &[&str]); 3] = [
    (
        "packetscript-dkms",
        &[
            "/object/engine.elf",
            "/dkms.conf",
            "/Kbuild",
            "/abi/packetscript.h",
        ],
    ),
    ("packetscript-iptables", &["/xtables/libxt_LUA.so"]),
    (
        "pstui",
        &[
            "/usr/bin/pstui",
            "/usr/share/packetscript/examples/drop-udp-port.lua",
        ],
    ),
];

/// The newest version of glibc that bullseye has.
const OLDEST_GLIBC: (u32, u32) = (2, 31);

/// Checks all packages.
pub fn check(packages: &Packages) -> Counts {
    let mut counts = Counts::default();
    let contents = CONTENTS
        .iter()
        .try_for_each(|(name, wanted)| holds(packages, name, wanted));
    counts.add(Counts::of("packages: contents", &contents));
    counts.add(Counts::of(
        "packages: libc of the oldest release",
        &glibc(packages),
    ));
    counts.add(Counts::of(
        "packages: the same bytes again",
        &same_again(packages),
    ));
    counts
}

fn holds(packages: &Packages, name: &str, wanted: &[&str]) -> Result<()> {
    let file = file_of(packages, name)?;
    let listed = output(Command::new("dpkg-deb").arg("--contents").arg(file))?;
    let listed = String::from_utf8_lossy(&listed).into_owned();
    for path in wanted {
        if !listed.lines().any(|line| line.ends_with(path)) {
            bail!("{name} does not bring {path}");
        }
    }
    // Mode, owner/group, …
    match listed
        .lines()
        .find(|line| line.split_whitespace().nth(1) != Some("root/root"))
    {
        Some(line) => bail!("not root's: {line}"),
        None => Ok(()),
    }
}

fn file_of(packages: &Packages, name: &str) -> Result<std::path::PathBuf> {
    let found = dist::names(&packages.folder)?
        .into_iter()
        .find(|file| file.starts_with(&format!("{name}_")))
        .with_context(|| format!("no package {name}"))?;
    Ok(packages.folder.join(found))
}

/// The programs ask for nothing that bullseye's libc does not have.
fn glibc(packages: &Packages) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    for (name, program) in [
        ("pstui", "usr/bin/pstui"),
        (
            "packetscript-iptables",
            "usr/lib/x86_64-linux-gnu/xtables/libxt_LUA.so",
        ),
    ] {
        let file = file_of(packages, name)?;
        output(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(file)
                .arg(scratch.path()),
        )?;
        let symbols = output(
            Command::new("objdump")
                .arg("-T")
                .arg(scratch.path().join(program)),
        )?;
        let newest = newest_glibc(&String::from_utf8_lossy(&symbols));
        if newest > OLDEST_GLIBC {
            bail!("{program} asks for glibc {}.{}", newest.0, newest.1);
        }
    }
    Ok(())
}

fn newest_glibc(symbols: &str) -> (u32, u32) {
    symbols
        .split("GLIBC_")
        .skip(1)
        .filter_map(|rest| {
            let end = rest
                .find(|c: char| !c.is_ascii_digit() && c != '.')
                .unwrap_or(rest.len());
            let mut numbers = rest.get(..end)?.split('.');
            Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
        })
        .max()
        .unwrap_or_default()
}

/// Packing again gives the same bytes.
fn same_again(packages: &Packages) -> Result<()> {
    let scratch = tempfile::tempdir()?;
    dist::pack(
        &Sources::take()?,
        &packages.folder.join("parts"),
        scratch.path(),
    )?;
    for name in dist::names(&packages.folder)? {
        let bytes = |folder: &Path| fs::read(folder.join(&name));
        if bytes(&packages.folder)? != bytes(scratch.path())? {
            bail!("{name} differs when it is packed again");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn versions_of_glibc() {
        let symbols = "0000 DF *UND* 0 (GLIBC_2.2.5) read\n0 DF *UND* 0 GLIBC_2.29 pow\nGLIBC_2.4";
        assert_eq!(super::newest_glibc(symbols), (2, 29));
        assert_eq!(super::newest_glibc(""), (0, 0));
    }
}
