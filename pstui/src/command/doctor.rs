// SPDX-License-Identifier: GPL-2.0-only
//! `pstui doctor`: looks at everything that has to fit together, and says what to do about what
//! does not.

use super::{say, say_json};
use crate::error::{Error, Result};
use packetscript_abi::border::ABI;
use packetscript_abi::client::{self, Client, MODULE};
use packetscript_abi::proc;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What came of looking at one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    /// As it should be.
    Good,
    /// Works, but somebody should know.
    Note,
    /// Does not work.
    Bad,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    found: String,
    /// What to do.
    advice: Option<String>,
}

fn finding(what: &'static str, state: State, found: impl Into<String>) -> Finding {
    Finding {
        what,
        state,
        found: found.into(),
        advice: None,
    }
}

impl Finding {
    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Looks at everything; fails if something does not work.
pub fn run(json: bool) -> Result<()> {
    let release = nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut findings = vec![
        finding(
            "pstui",
            State::Good,
            format!("{}, ABI {ABI}", env!("CARGO_PKG_VERSION")),
        ),
        permission(),
        module(&release),
    ];
    if Path::new("/sys/module").join(MODULE).exists() {
        findings.push(border());
        findings.push(tables());
    }
    findings.push(iptables());
    findings.push(plugin());
    findings.extend(lockdown());
    let bad = findings
        .iter()
        .filter(|finding| finding.state == State::Bad)
        .count();
    if json {
        say_json(&serde_json::json!({ "schema": 1, "findings": findings, "bad": bad }))?;
    } else {
        for finding in &findings {
            let mark = match finding.state {
                State::Good => "ok ",
                State::Note => "-- ",
                State::Bad => "BAD",
            };
            say(&format!("{mark}  {:<11} {}", finding.what, finding.found))?;
            if let Some(advice) = &finding.advice {
                say(&format!("                 {advice}"))?;
            }
        }
    }
    if bad == 0 { Ok(()) } else { Err(Error::Told) }
}

/// Whether this process may change what the kernel has loaded.
fn permission() -> Finding {
    const NET_ADMIN: u32 = 12;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let capable = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask >> NET_ADMIN & 1 == 1);
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let initial = map.split_whitespace().eq(["0", "0", "4294967295"]);
    match (capable, initial) {
        (true, true) => finding("permission", State::Good, "CAP_NET_ADMIN in the initial user namespace"),
        (true, false) => finding("permission", State::Bad, "CAP_NET_ADMIN, but of a user namespace only")
            .advise("load scripts on the host: a container with user namespaces may not run code in the kernel"),
        (false, _) => finding("permission", State::Bad, "no CAP_NET_ADMIN")
            .advise("run it as root: watching and loading both need it"),
    }
}

/// Whether the module is loaded, or could be.
fn module(release: &str) -> Finding {
    let loaded = Path::new("/sys/module").join(MODULE);
    if loaded.exists() {
        let version = fs::read_to_string(loaded.join("version")).unwrap_or_default();
        let version = version.trim();
        let ours = env!("CARGO_PKG_VERSION");
        let found = finding(
            "module",
            State::Good,
            format!("{MODULE} {version} is loaded, kernel {release}"),
        );
        return if version == ours || version.is_empty() {
            found
        } else {
            Finding {
                state: State::Note,
                ..found
            }
            .advise(format!(
                "pstui is {ours}: after an upgrade, delete the rules and `rmmod {MODULE}`"
            ))
        };
    }
    let folder = PathBuf::from("/lib/modules").join(release);
    let list = fs::read_to_string(folder.join("modules.dep")).unwrap_or_default();
    let built = list
        .lines()
        .filter_map(|line| line.split(':').next())
        .find(|path| {
            path.rsplit('/')
                .next()
                .is_some_and(|file| file.starts_with("xt_LUA.ko"))
        });
    if let Some(path) = built {
        return finding(
            "module",
            State::Note,
            format!("not loaded; {path} is there for kernel {release}"),
        )
        .advise(format!("the first rule loads it, or `modprobe {MODULE}`"));
    }
    let missing = finding(
        "module",
        State::Bad,
        format!("there is none for kernel {release}"),
    );
    if folder.join("build").exists() {
        missing.advise(
            "install packetscript-dkms, or look into /var/lib/dkms/packetscript if it is installed",
        )
    } else {
        missing.advise(format!(
            "install packetscript-dkms and the headers of this kernel (linux-headers-{release})"
        ))
    }
}

/// Whether module and pstui speak the same language.
fn border() -> Finding {
    match Client::connect() {
        Ok(client) => finding(
            "netlink",
            State::Good,
            format!("module {} answers, ABI {ABI}", client.module_version()),
        ),
        Err(error @ client::Error::Abi { .. }) => finding("netlink", State::Bad, error.to_string())
            .advise("install module, plugin and pstui of the same release"),
        Err(error) => finding("netlink", State::Bad, error.to_string()),
    }
}

fn tables() -> Finding {
    let read = || {
        Ok::<_, proc::Error>((
            proc::scripts()?.len(),
            proc::rules()?.len(),
            proc::hooks()?.len(),
        ))
    };
    match read() {
        Ok((scripts, rules, _)) => finding(
            "/proc",
            State::Good,
            format!("{scripts} script versions, {rules} rules"),
        ),
        Err(error) => finding("/proc", State::Bad, error.to_string()),
    }
}

fn iptables() -> Finding {
    match Command::new("iptables").arg("-V").output() {
        Ok(output) if output.status.success() => finding(
            "iptables",
            State::Good,
            String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        ),
        Ok(output) => finding(
            "iptables",
            State::Bad,
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ),
        Err(_) => finding("iptables", State::Note, "not installed")
            .advise("rules with -j LUA need it: apt install iptables"),
    }
}

/// Where iptables looks for its plugins.
fn plugin_folders() -> Vec<PathBuf> {
    if let Some(folders) = std::env::var_os("XTABLES_LIBDIR") {
        return std::env::split_paths(&folders).collect();
    }
    let machine = format!("/usr/lib/{}-linux-gnu/xtables", std::env::consts::ARCH);
    [
        machine.as_str(),
        "/usr/lib64/xtables",
        "/usr/lib/xtables",
        "/usr/local/lib/xtables",
    ]
    .iter()
    .map(PathBuf::from)
    .collect()
}

/// Whether iptables' plugin is there and of this release.
fn plugin() -> Finding {
    let folders = plugin_folders();
    let Some(path) = folders
        .iter()
        .map(|folder| folder.join("libxt_LUA.so"))
        .find(|path| path.exists())
    else {
        let places: Vec<String> = folders
            .iter()
            .map(|folder| folder.display().to_string())
            .collect();
        return finding(
            "plugin",
            State::Bad,
            format!("no libxt_LUA.so in {}", places.join(", ")),
        )
        .advise("install packetscript-iptables; without it iptables does not know -j LUA");
    };
    let shown = path.display();
    match plugin_abi(&path) {
        Ok(ABI) => finding("plugin", State::Good, format!("{shown}, ABI {ABI}")),
        Ok(other) => finding(
            "plugin",
            State::Bad,
            format!("{shown} speaks ABI {other}, pstui ABI {ABI}"),
        )
        .advise("install module, plugin and pstui of the same release"),
        Err(error) => finding("plugin", State::Bad, format!("{shown}: {error}")),
    }
}

fn plugin_abi(path: &Path) -> std::result::Result<u32, libloading::Error> {
    // SAFETY: the plugin's only initializer looks libxtables up, and does nothing in a process
    // that, like this one, does not have it.
    let library = unsafe { libloading::Library::new(path) }?;
    // SAFETY: the plugin exports this function with this type.
    let abi =
        unsafe { library.get::<unsafe extern "C" fn() -> u32>(b"packetscript_plugin_abi\0") }?;
    // SAFETY: it takes nothing and returns a constant.
    Ok(unsafe { abi() })
}

/// Machines that refuse modules which nobody signed.
fn lockdown() -> Option<Finding> {
    let text = fs::read_to_string("/sys/kernel/security/lockdown").ok()?;
    let mode = text.split('[').nth(1)?.split(']').next()?;
    if mode == "none" {
        return None;
    }
    let note = finding(
        "lockdown",
        State::Note,
        format!("the kernel is in lockdown mode {mode}"),
    );
    Some(note.advise(
        "modules must be signed: enrol DKMS's key, `mokutil --import /var/lib/dkms/mok.pub`",
    ))
}
