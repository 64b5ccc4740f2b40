// SPDX-License-Identifier: GPL-2.0-only
//! The agent: runs one command for the harness and streams what it says.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use guest::wire::{self, Decoder, Frame, Kind, Run, Size};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

const PATH: &str = "/run/harness:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const SHARE: &str = "/share";
/// A command killed by signal N ends with this plus N, as in a shell.
const SIGNAL_BASE: i32 = 128;
/// What a shell answers for a command that cannot be run.
const CANNOT_RUN: u8 = 127;

/// Does what the harness asks on `port` until the command has ended.
pub fn serve(port: &File) -> Result<()> {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    wire::write(&mut &*port, Kind::Hello, release.trim().as_bytes())?;
    let result = requests(port);
    if let Err(error) = &result {
        wire::write(&mut &*port, Kind::Failed, format!("{error:#}").as_bytes())?;
    }
    // The harness ends the machine when it has read the last frame.
    let mut rest = [0; 512];
    while matches!((&mut &*port).read(&mut rest), Ok(n) if n > 0) {}
    result
}

fn requests(port: &File) -> Result<()> {
    let mut decoder = Decoder::default();
    let mut unpacker: Option<Child> = None;
    loop {
        let Some(frame) = decoder.read_from(&mut &*port)? else {
            bail!("the harness is gone");
        };
        match frame.kind {
            Kind::Share if frame.payload.is_empty() => {
                let mut tar = unpacker
                    .take()
                    .context("the end of a share that never began")?;
                drop(tar.stdin.take());
                if !tar.wait()?.success() {
                    bail!("unpacking {SHARE} failed");
                }
            }
            Kind::Share => {
                if unpacker.is_none() {
                    unpacker = Some(unpack()?);
                }
                let pipe = unpacker.as_mut().and_then(|tar| tar.stdin.as_mut());
                pipe.context("no pipe to tar")?.write_all(&frame.payload)?;
            }
            Kind::Run => {
                let run = Run::decode(&frame.payload).context("a garbled command")?;
                return Session::start(port, decoder, &run);
            }
            other => bail!("unexpected request {other:?}"),
        }
    }
}

fn unpack() -> Result<Child> {
    std::fs::create_dir_all(SHARE)?;
    Command::new("tar")
        .args(["-x", "--no-same-owner", "-f", "-", "-C", SHARE])
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting tar")
}

/// A command that runs, and what is still to be moved between it and the harness.
struct Session<'a> {
    port: &'a File,
    decoder: Decoder,
    child: Pid,
    status: Option<u8>,
    input: Option<File>,
    input_ended: bool,
    waiting: VecDeque<u8>,
    outputs: Vec<(Kind, File)>,
    terminal: Option<OwnedFd>,
}

impl<'a> Session<'a> {
    fn start(port: &'a File, decoder: Decoder, run: &Run) -> Result<()> {
        let mut children = SigSet::empty();
        children.add(Signal::SIGCHLD);
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&children), None)?;
        let signals = SignalFd::with_flags(&children, SfdFlags::SFD_CLOEXEC)?;

        let Some((program, arguments)) = run.arguments.split_first() else {
            bail!("no command");
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", "/root");
        command.current_dir(if std::path::Path::new("/root").is_dir() {
            "/root"
        } else {
            "/"
        });
        for (key, value) in run
            .environment
            .iter()
            .filter_map(|pair| pair.split_once('='))
        {
            command.env(key, value);
        }
        let mut session = Session {
            port,
            decoder,
            child: Pid::from_raw(0),
            status: None,
            input: None,
            input_ended: false,
            waiting: VecDeque::new(),
            outputs: Vec::new(),
            terminal: None,
        };
        let child = match run.terminal {
            Some(size) => session.spawn_on_terminal(&mut command, size),
            None => session.spawn_on_pipes(&mut command),
        };
        match child {
            Ok(child) => {
                session.child = Pid::from_raw(child.id() as i32);
                // A second waiter would race with `reap`, which collects orphans as well.
                drop(child);
            }
            Err(error) => {
                wire::write(
                    &mut &*port,
                    Kind::Stderr,
                    format!("{program}: {error:#}\n").as_bytes(),
                )?;
                wire::write(&mut &*port, Kind::Exit, &[CANNOT_RUN])?;
                return Ok(());
            }
        }
        drop(command);
        session.run(&signals)
    }

    fn spawn_on_pipes(&mut self, command: &mut Command) -> Result<Child> {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.process_group(0);
        let mut child = command.spawn()?;
        self.input = child
            .stdin
            .take()
            .map(|pipe| File::from(OwnedFd::from(pipe)));
        let stdout = child
            .stdout
            .take()
            .map(|pipe| File::from(OwnedFd::from(pipe)));
        let stderr = child
            .stderr
            .take()
            .map(|pipe| File::from(OwnedFd::from(pipe)));
        self.outputs.extend(stdout.map(|file| (Kind::Stdout, file)));
        self.outputs.extend(stderr.map(|file| (Kind::Stderr, file)));
        for file in self.outputs.iter().map(|(_, file)| file).chain(&self.input) {
            set_nonblocking(file.as_fd())?;
        }
        Ok(child)
    }

    fn spawn_on_terminal(&mut self, command: &mut Command, size: Size) -> Result<Child> {
        let pair = openpty(None, None).context("opening a terminal")?;
        set_window(pair.master.as_fd(), size)?;
        let slave = File::from(pair.slave);
        command
            .stdin(slave.try_clone()?)
            .stdout(slave.try_clone()?)
            .stderr(slave.try_clone()?);
        // SAFETY: between fork and exec, setsid and one ioctl are async-signal-safe.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                set_controlling_terminal()
            });
        }
        let child = command.spawn()?;
        set_nonblocking(pair.master.as_fd())?;
        self.input = Some(File::from(pair.master.try_clone()?));
        self.outputs
            .push((Kind::Stdout, File::from(pair.master.try_clone()?)));
        self.terminal = Some(pair.master);
        Ok(child)
    }

    fn run(mut self, signals: &SignalFd) -> Result<()> {
        loop {
            self.wait(signals)?;
            self.reap(signals)?;
            self.feed();
            for index in (0..self.outputs.len()).rev() {
                self.forward(index)?;
            }
            // What the command wrote before it ended has been forwarded by now; a background
            // process that keeps the pipe open is not waited for.
            if let Some(status) = self.status {
                return Ok(wire::write(&mut &*self.port, Kind::Exit, &[status])?);
            }
        }
    }

    /// Waits for anything to do, and takes the harness's frames.
    fn wait(&mut self, signals: &SignalFd) -> Result<()> {
        let mut polled = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.port.as_fd(), PollFlags::POLLIN),
        ];
        for (_, file) in &self.outputs {
            polled.push(PollFd::new(file.as_fd(), PollFlags::POLLIN));
        }
        if let Some(input) = self.input.as_ref().filter(|_| !self.waiting.is_empty()) {
            polled.push(PollFd::new(input.as_fd(), PollFlags::POLLOUT));
        }
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let readable = |index: usize| {
            polled
                .get(index)
                .and_then(PollFd::revents)
                .is_some_and(|events| !events.is_empty())
        };
        if readable(1) {
            let mut buffer = [0; 16 * 1024];
            let count = (&mut &*self.port).read(&mut buffer)?;
            if count == 0 {
                bail!("the harness is gone");
            }
            self.decoder.push(&buffer[..count]);
        }
        while let Some(frame) = self.decoder.next_frame()? {
            self.take(frame)?;
        }
        Ok(())
    }

    fn take(&mut self, frame: Frame) -> Result<()> {
        match frame.kind {
            Kind::Stdin => self.waiting.extend(frame.payload),
            Kind::StdinEnd => self.input_ended = true,
            Kind::Resize => {
                if let (Some(terminal), Some(size)) = (&self.terminal, Size::decode(&frame.payload))
                {
                    set_window(terminal.as_fd(), size)?;
                }
            }
            other => bail!("unexpected request {other:?} while a command runs"),
        }
        Ok(())
    }

    /// Collects every child that ended: as process 1 we inherit orphans too.
    fn reap(&mut self, signals: &SignalFd) -> Result<()> {
        set_nonblocking(signals.as_fd())?;
        while signals.read_signal()?.is_some() {}
        loop {
            let status = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(status) => status,
                Err(nix::errno::Errno::ECHILD) => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            let (pid, code) = match status {
                WaitStatus::Exited(pid, code) => (pid, code),
                WaitStatus::Signaled(pid, signal, _) => (pid, SIGNAL_BASE + signal as i32),
                WaitStatus::StillAlive => return Ok(()),
                _ => continue,
            };
            if pid == self.child {
                self.status = Some(code as u8);
            }
        }
    }

    /// Writes to the command's input what fits.
    fn feed(&mut self) {
        let Some(input) = &mut self.input else {
            self.waiting.clear();
            return;
        };
        while !self.waiting.is_empty() {
            let (front, _) = self.waiting.as_slices();
            match input.write(front) {
                Ok(count) => drop(self.waiting.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // The command closed its input: the rest has no reader.
                Err(_) => {
                    self.waiting.clear();
                    self.input = None;
                    return;
                }
            }
        }
        if self.input_ended && self.terminal.is_none() {
            self.input = None;
        }
    }

    /// Sends all that an output has for now.
    fn forward(&mut self, index: usize) -> Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            let (kind, file) = &mut self.outputs[index];
            match file.read(&mut buffer) {
                Ok(count) if count > 0 => wire::write(&mut &*self.port, *kind, &buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // End of the pipe, or EIO: nobody holds the terminal any more.
                Ok(_) | Err(_) => {
                    self.outputs.remove(index);
                    return Ok(());
                }
            }
        }
    }
}

fn set_nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    let flags = OFlag::from_bits_truncate(fcntl(fd, FcntlArg::F_GETFL)?);
    fcntl(fd, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    Ok(())
}

mod terminal {
    //! The two terminal requests that the agent makes.

    nix::ioctl_write_ptr_bad!(set_size, nix::libc::TIOCSWINSZ, nix::pty::Winsize);
    nix::ioctl_write_int_bad!(set_controlling, nix::libc::TIOCSCTTY);
}

fn set_window(fd: BorrowedFd<'_>, size: Size) -> Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: the request reads one winsize, which outlives the call.
    unsafe { terminal::set_size(fd.as_raw_fd(), &raw const size) }?;
    Ok(())
}

/// Makes standard input the controlling terminal of the calling process, a session leader.
fn set_controlling_terminal() -> io::Result<()> {
    // SAFETY: the request takes an integer and touches no memory of ours.
    unsafe { terminal::set_controlling(0, 0) }?;
    Ok(())
}
