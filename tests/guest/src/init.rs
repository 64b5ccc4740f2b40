// SPDX-License-Identifier: GPL-2.0-only
//! Process 1: from the initramfs to a root file system with an agent.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};

use crate::agent;

/// The modules that the initramfs carries, one path a line, in the order to load them.
const MODULES: &str = "/modules/order";
const ROOT_DEVICE: &str = "/dev/vda";
const ROOT: &str = "/root";
/// Where commands find this program again.
const TOOLS: &str = "/run/harness";

/// Never returns: process 1 must not end.
pub fn main() -> ! {
    if let Err(error) = boot().and_then(|port| agent::serve(&port)) {
        log(&format!("{error:#}"));
    }
    // The harness ends the machine; if it is gone, so are we.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    loop {
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// The kernel log is the one place where a message is seen before the agent is up.
fn log(message: &str) {
    if let Ok(mut file) = fs::OpenOptions::new().write(true).open("/dev/kmsg") {
        let _ = writeln!(file, "<2>harness: {message}");
    }
}

fn boot() -> Result<File> {
    mount_one("devtmpfs", "/dev", "")?;
    mount_one("sysfs", "/sys", "")?;
    load_modules()?;
    let tools = fs::read("/init").context("reading /init")?;
    enter_root()?;
    for (kind, at, options) in [
        ("devtmpfs", "/dev", ""),
        ("proc", "/proc", ""),
        ("sysfs", "/sys", ""),
        ("tmpfs", "/run", "mode=755"),
        ("tmpfs", "/tmp", "mode=1777"),
        ("devpts", "/dev/pts", "gid=5,mode=620,ptmxmode=666"),
        ("tmpfs", "/dev/shm", "mode=1777"),
        ("cgroup2", "/sys/fs/cgroup", ""),
        ("debugfs", "/sys/kernel/debug", ""),
        ("tracefs", "/sys/kernel/tracing", ""),
    ] {
        mount_one(kind, at, options)?;
    }
    for (link, target) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
    ] {
        std::os::unix::fs::symlink(target, link).with_context(|| format!("linking {link}"))?;
    }
    fs::create_dir_all(TOOLS)?;
    let tool = Path::new(TOOLS).join("guest");
    fs::write(&tool, tools)?;
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755))?;
    nix::unistd::sethostname("packetscript")?;
    open_port()
}

fn mount_one(kind: &str, at: &str, options: &str) -> Result<()> {
    fs::create_dir_all(at).with_context(|| format!("making {at}"))?;
    match mount(Some(kind), at, Some(kind), MsFlags::empty(), Some(options)) {
        // Not every kernel has every debugging file system; the initramfs may come mounted.
        Ok(()) | Err(Errno::EBUSY | Errno::ENODEV) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("mounting {kind} on {at}")),
    }
}

fn load_modules() -> Result<()> {
    let order = fs::read_to_string(MODULES).with_context(|| format!("reading {MODULES}"))?;
    for path in order.lines() {
        let file = File::open(path).with_context(|| format!("opening {path}"))?;
        match finit_module(&file, c"", ModuleInitFlags::empty()) {
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(error) => return Err(error).with_context(|| format!("loading {path}")),
        }
    }
    Ok(())
}

fn enter_root() -> Result<()> {
    wait_for(|| Path::new(ROOT_DEVICE).exists()).context("the root disk did not appear")?;
    fs::create_dir_all(ROOT)?;
    mount(
        Some(ROOT_DEVICE),
        ROOT,
        Some("ext4"),
        MsFlags::MS_NOATIME,
        None::<&str>,
    )
    .context("mounting the root disk")?;
    std::env::set_current_dir(ROOT)?;
    mount(Some("."), "/", None::<&str>, MsFlags::MS_MOVE, None::<&str>)
        .context("moving the root disk to /")?;
    nix::unistd::chroot(".").context("entering the root disk")?;
    std::env::set_current_dir("/")?;
    Ok(())
}

fn open_port() -> Result<File> {
    let mut device = PathBuf::new();
    wait_for(|| match port_device() {
        Some(found) => {
            device = found;
            device.exists()
        }
        None => false,
    })
    .context("the harness's serial port did not appear")?;
    File::options()
        .read(true)
        .write(true)
        .open(&device)
        .with_context(|| format!("opening {}", device.display()))
}

fn port_device() -> Option<PathBuf> {
    fs::read_dir("/sys/class/virtio-ports")
        .ok()?
        .flatten()
        .find_map(|entry| {
            let name = fs::read_to_string(entry.path().join("name")).ok()?;
            (name.trim() == guest::wire::PORT).then(|| Path::new("/dev").join(entry.file_name()))
        })
}

/// Devices appear when their drivers have probed them.
fn wait_for(mut ready: impl FnMut() -> bool) -> Result<()> {
    const STEP: Duration = Duration::from_millis(10);
    for _ in 0..1500 {
        if ready() {
            return Ok(());
        }
        std::thread::sleep(STEP);
    }
    bail!("waited 15 seconds")
}
