// SPDX-License-Identifier: GPL-2.0-only
//! Suites: a Debian release and the kernel that it is booted with.

use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Result, bail};

/// What the machines are for: a kernel to boot and build modules for, every form of iptables, and
/// what tests look at networks with.
const PACKAGES: &[&str] = &[
    "arptables",
    "conntrack",
    "dkms",
    "ebtables",
    "ethtool",
    "gcc",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "libc6-dev",
    "linux-headers-cloud-amd64",
    "linux-image-cloud-amd64",
    "make",
    "nftables",
    "procps",
    "tmux",
];

/// Where Debian's packages come from: what PACKETSCRIPT_MIRROR says, or where apt gets this machine's.
pub fn mirror() -> String {
    static MIRROR: OnceLock<String> = OnceLock::new();
    let found = || {
        let set = std::env::var("PACKETSCRIPT_MIRROR").ok();
        set.or_else(mirror_of_apt).unwrap_or_else(|| {
            eprintln!("xtask: no Debian mirror is known here: set PACKETSCRIPT_MIRROR to the address of one");
            std::process::exit(125)
        })
    };
    MIRROR.get_or_init(found).clone()
}

/// The first of apt's sources that is the archive itself, not its security updates.
fn mirror_of_apt() -> Option<String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)"])
        .output()
        .ok()?;
    let targets = String::from_utf8(targets.stdout).ok()?;
    let archive = |line: &str| line.trim_end_matches('/').to_owned();
    targets
        .lines()
        .map(archive)
        .find(|line| line.ends_with("/debian"))
}

/// A Debian release and where its kernel comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suite {
    name: String,
    release: String,
    backports: bool,
}

impl Suite {
    /// The suites that the test matrix runs.
    pub const MATRIX: [&str; 4] = ["bullseye", "bookworm", "trixie", "backports"];

    /// `backports` is trixie with the kernel of its backports; `RELEASE-backports` goes for every
    /// release; anything else is the release of that name with its own kernel.
    pub fn by_name(name: &str) -> Result<Self> {
        if name.is_empty()
            || !name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
        {
            bail!(
                "'{name}' is not the name of a Debian release; try one of {:?}",
                Self::MATRIX
            );
        }
        let (release, backports) = match name {
            "backports" => ("trixie", true),
            _ => match name.strip_suffix("-backports") {
                Some(release) => (release, true),
                None => (name, false),
            },
        };
        Ok(Self {
            name: name.to_owned(),
            release: release.to_owned(),
            backports,
        })
    }

    /// The name it was asked for by.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The release's own name.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// The packages of every root.
    pub fn packages() -> String {
        PACKAGES.join(",")
    }

    /// Lines for apt's sources.list.
    pub fn sources(&self) -> Vec<String> {
        let mirror = mirror();
        let mut lines = vec![format!("deb {mirror} {} main", self.release)];
        if self.backports {
            lines.push(format!("deb {mirror} {}-backports main", self.release));
        }
        lines
    }

    /// apt's preferences: with backports, the kernel's packages come from there.
    pub fn preferences(&self) -> Option<String> {
        self.backports.then(|| {
            format!(
                "Package: linux-*\nPin: release n={}-backports\nPin-Priority: 900\n",
                self.release
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Suite;

    #[test]
    fn names() {
        let suite = |name| Suite::by_name(name).unwrap();
        assert_eq!(suite("backports").release(), "trixie");
        assert_eq!(suite("bookworm-backports").release(), "bookworm");
        assert_eq!(suite("sid").sources().len(), 1);
        assert_eq!(suite("backports").sources().len(), 2);
        assert!(suite("trixie").preferences().is_none());
        for bad in ["", "../etc", "Trixie", "a b"] {
            assert!(Suite::by_name(bad).is_err(), "{bad}");
        }
    }
}
