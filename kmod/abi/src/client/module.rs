// SPDX-License-Identifier: GPL-2.0-only
//! Loading the kernel module, as iptables does: by the program that the kernel itself would run.

use std::process::{Command, Stdio};

use super::Error;

/// The module's name.
pub const MODULE: &str = "xt_LUA";

/// Loads the module. Returns when it is there.
pub fn load() -> Result<(), Error> {
    let program = std::fs::read_to_string("/proc/sys/kernel/modprobe").unwrap_or_default();
    let program = match program.trim() {
        "" => "/sbin/modprobe",
        path => path,
    };
    let output = Command::new(program)
        .arg(MODULE)
        .env_clear()
        .env(
            "PATH",
            "/usr/sbin:/usr/bin:/sbin:/bin:/run/current-system/sw/bin",
        )
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::ModuleLoad {
            detail: format!("{program}: {error}"),
            hint: "",
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let detail = said
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
        .unwrap_or("modprobe failed")
        .to_owned();
    let hint = hint(&detail);
    Err(Error::ModuleLoad { detail, hint })
}

/// What to do about a failure of modprobe.
fn hint(detail: &str) -> &'static str {
    if detail.contains("not found") {
        "; install packetscript-dkms and the headers of the running kernel"
    } else if detail.contains("Key was rejected") || detail.contains("Required key not available") {
        "; this machine wants signed modules: enrol DKMS's key (mokutil --import /var/lib/dkms/mok.pub)"
    } else if detail.contains("Operation not permitted") || detail.contains("Permission denied") {
        "; run as root on the host, and see that kernel.modules_disabled is 0"
    } else if detail.contains("Exec format") || detail.contains("disagrees about version") {
        "; the module was built for another kernel: dkms autoinstall"
    } else {
        "; see dmesg"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_advice() {
        let missing = "modprobe: FATAL: Module xt_LUA not found in directory /lib/modules/6.1.0";
        assert!(hint(missing).contains("packetscript-dkms"));
        assert!(
            hint("modprobe: ERROR: could not insert 'xt_LUA': Operation not permitted")
                .contains("root")
        );
        assert!(
            hint("modprobe: ERROR: could not insert 'xt_LUA': Key was rejected by service")
                .contains("sign")
        );
        assert_eq!(hint("anything"), "; see dmesg");
    }
}
