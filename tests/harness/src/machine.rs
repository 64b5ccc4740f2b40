// SPDX-License-Identifier: GPL-2.0-only
//! A virtual machine: QEMU without hardware virtualisation, which not every host has.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use guest::wire::{Decoder, Frame, Kind, PORT};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::io::Read;
use std::os::fd::AsFd;

use crate::command::last_lines;
use crate::{cache, progress};

/// A boot takes about 4 seconds on an idle machine.
const BOOT_LIMIT: Duration = Duration::from_secs(180);
/// Boots under emulation are known to fail now and then before init runs.
const BOOT_ATTEMPTS: u32 = 3;
/// An oops ends the machine. The check of the timer fails where the host is busy.
const KERNEL_OPTIONS: &str =
    "console=ttyS0 panic=-1 oops=panic loglevel=5 net.ifnames=0 no_timer_check";
/// Kernel logs that are kept.
const KEPT_LOGS: usize = 30;

/// What a machine is like.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Processors.
    pub cpus: u32,
    /// Memory in MiB.
    pub memory: u32,
    /// One processor whose time-stamp counter counts executed instructions.
    pub count_instructions: bool,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            cpus: 1,
            memory: 1024,
            count_instructions: false,
        }
    }
}

/// What a machine boots from. The disk is never written: changes go to a temporary file.
#[derive(Clone, Debug)]
pub struct Boot {
    /// For messages and the log's name.
    pub name: String,
    /// The kernel's image.
    pub kernel: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The root disk's image.
    pub disk: PathBuf,
    /// Further arguments for QEMU.
    pub more: Vec<String>,
}

/// What came over the agent's port.
pub enum Event {
    /// A frame.
    Frame(Frame),
    /// The machine is gone.
    Ended,
    /// Time is up.
    TimedOut,
}

/// A machine that runs. It ends when this is dropped, or when this process ends in any way.
pub struct Machine {
    qemu: Child,
    port: UnixStream,
    decoder: Decoder,
    log: PathBuf,
}

impl Machine {
    /// Boots until the agent answers.
    pub fn boot(boot: &Boot, shape: Shape) -> Result<Self> {
        for attempt in 1.. {
            let mut machine = Self::start(boot, shape)?;
            let why = match machine.next_event(Some(Instant::now() + BOOT_LIMIT))? {
                Event::Frame(frame) if frame.kind == Kind::Hello => return Ok(machine),
                Event::Frame(frame) => bail!("unexpected {:?} from the machine", frame.kind),
                Event::Ended => "the machine stopped while booting",
                Event::TimedOut => "the machine did not boot in time",
            };
            if attempt == BOOT_ATTEMPTS {
                bail!("{}: {why}\n{}", boot.name, machine.log_tail());
            }
            progress::note(&format!("{}: {why}; trying again", boot.name));
        }
        unreachable!("the loop ends by returning")
    }

    fn start(boot: &Boot, shape: Shape) -> Result<Self> {
        let log = new_log(&boot.name)?;
        let (port, theirs) = UnixStream::pair()?;
        let said = log.with_extension("qemu");
        let qemu = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"])
            .args(arguments(boot, shape, &log))
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(File::create(&said)?)
            .spawn()
            .context("starting qemu-system-x86_64")?;
        Ok(Self {
            qemu,
            port,
            decoder: Decoder::default(),
            log,
        })
    }

    /// The port to the agent, for writing.
    pub fn port(&self) -> &UnixStream {
        &self.port
    }

    /// The end of what the kernel, and QEMU itself, said.
    pub fn log_tail(&self) -> String {
        let read =
            |path: &Path| String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
        let said = read(&self.log.with_extension("qemu"));
        format!(
            "{}\n{}\n(all of it: {})",
            said.trim(),
            last_lines(&read(&self.log)),
            self.log.display()
        )
    }

    /// Waits for the next frame until `deadline`.
    pub fn next_event(&mut self, deadline: Option<Instant>) -> Result<Event> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some(frame) = self.decoder.next_frame()? {
                return Ok(Event::Frame(frame));
            }
            let wait = match deadline.map(|end| end.saturating_duration_since(Instant::now())) {
                None => PollTimeout::NONE,
                Some(Duration::ZERO) => return Ok(Event::TimedOut),
                // Rounded up, so that the last millisecond is not spent spinning.
                Some(left) => PollTimeout::try_from(left + Duration::from_millis(1))
                    .unwrap_or(PollTimeout::MAX),
            };
            match poll(
                &mut [PollFd::new(self.port.as_fd(), PollFlags::POLLIN)],
                wait,
            ) {
                Ok(0) | Err(nix::errno::Errno::EINTR) => continue,
                Ok(_) => {}
                Err(error) => return Err(error.into()),
            }
            match self.port.read(&mut buffer) {
                Ok(0) => return Ok(Event::Ended),
                Ok(count) => self.decoder.push(&buffer[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(Event::Ended);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
        let said = self.log.with_extension("qemu");
        if said.metadata().is_ok_and(|data| data.len() == 0) {
            let _ = fs::remove_file(said);
        }
    }
}

fn arguments(boot: &Boot, shape: Shape, log: &Path) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let mut add = |flag: &str, value: String| {
        all.push(flag.to_owned());
        all.push(value);
    };
    if shape.count_instructions {
        add("-accel", "tcg,thread=single".into());
        add("-icount", "shift=0,sleep=off".into());
        add("-smp", "1".into());
    } else {
        add("-accel", "tcg,thread=multi".into());
        add("-smp", shape.cpus.to_string());
    }
    add("-cpu", "max".into());
    add("-m", shape.memory.to_string());
    add("-kernel", comma_safe(&boot.kernel));
    add("-initrd", comma_safe(&boot.initramfs));
    add("-append", KERNEL_OPTIONS.into());
    let disk = comma_safe(&boot.disk);
    add(
        "-drive",
        format!("if=none,id=root,format=raw,snapshot=on,cache=unsafe,file={disk}"),
    );
    add("-device", "virtio-blk-pci,drive=root".into());
    add("-device", "virtio-serial-pci".into());
    add("-chardev", "socket,id=agent,fd=0".into());
    add(
        "-device",
        format!("virtserialport,chardev=agent,name={PORT}"),
    );
    add(
        "-chardev",
        format!("file,id=console,path={}", comma_safe(log)),
    );
    add("-serial", "chardev:console".into());
    add("-display", "none".into());
    all.extend_from_slice(&boot.more);
    for flag in ["-nodefaults", "-no-user-config", "-no-reboot"] {
        all.push(flag.to_owned());
    }
    all
}

/// In QEMU's options a comma separates; two of them are one comma.
fn comma_safe(path: &Path) -> String {
    path.to_string_lossy().replace(',', ",,")
}

/// A file for one machine's kernel log; old ones go.
fn new_log(name: &str) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let folder = cache::folder()?.join("logs");
    fs::create_dir_all(&folder)?;
    let mut old: Vec<_> = fs::read_dir(&folder)?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    old.sort_by_key(|path| path.metadata().and_then(|data| data.modified()).ok());
    for path in old.iter().rev().skip(KEPT_LOGS) {
        // Another process may have removed it first.
        let _ = fs::remove_file(path);
    }
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{name}-{}-{number}.log", std::process::id()));
    File::create(&path)?;
    Ok(path)
}
