// SPDX-License-Identifier: GPL-2.0-only
//! Running one command in a machine: its input, output and status.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use guest::wire::{self, Kind, Run};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::machine::{Event, Machine};
use crate::terminal;

/// Where the command's input comes from.
#[derive(Debug)]
pub enum Input {
    /// There is none.
    Nothing,
    /// Our standard input.
    Ours,
    /// Our terminal: the command gets one of its own, of the same size.
    Terminal,
    /// What comes out of this pipe.
    Pipe(PipeReader),
}

/// What is run.
pub struct Job<'a> {
    /// The program and its arguments.
    pub arguments: Vec<String>,
    /// A folder whose contents are copied to /share first.
    pub share: Option<&'a Path>,
    /// Its input.
    pub input: Input,
    /// How long it may take, the copying included.
    pub timeout: Option<Duration>,
}

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// By itself, with this status.
    Exited(u8),
    /// Not in time.
    TimedOut,
}

/// Runs `job`; what it writes goes to `out` and `err` as it comes.
pub fn run(
    machine: &mut Machine,
    job: Job<'_>,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> Result<Outcome> {
    let deadline = job.timeout.map(|limit| Instant::now() + limit);
    if let Some(folder) = job.share {
        share(machine.port(), folder)?;
    }
    let on_terminal = matches!(job.input, Input::Terminal);
    let mut environment = Vec::new();
    for key in ["TERM", "COLORTERM", "NO_COLOR", "LANG"] {
        if let (true, Ok(value)) = (on_terminal, std::env::var(key)) {
            environment.push(format!("{key}={value}"));
        }
    }
    let terminal = on_terminal.then(terminal::size);
    let request = Run {
        terminal,
        environment,
        arguments: job.arguments,
    };
    wire::write(&mut machine.port(), Kind::Run, &request.encode())?;
    let _raw = if on_terminal {
        Some(terminal::Raw::enter()?)
    } else {
        None
    };
    match job.input {
        Input::Nothing => wire::write(&mut machine.port(), Kind::StdinEnd, b"")?,
        Input::Pipe(pipe) => send_input(machine.port().try_clone()?, pipe.into(), false)?,
        Input::Ours | Input::Terminal => {
            let input = std::io::stdin().as_fd().try_clone_to_owned()?;
            send_input(machine.port().try_clone()?, input, on_terminal)?;
        }
    }
    loop {
        match machine.next_event(deadline)? {
            Event::TimedOut => return Ok(Outcome::TimedOut),
            Event::Ended => bail!("the machine stopped\n{}", machine.log_tail()),
            Event::Frame(frame) => match frame.kind {
                Kind::Stdout => pass_on(out, &frame.payload)?,
                Kind::Stderr => pass_on(err, &frame.payload)?,
                Kind::Exit => {
                    let status = frame.payload.first().context("an exit without a status")?;
                    return Ok(Outcome::Exited(*status));
                }
                Kind::Failed => bail!("{}", String::from_utf8_lossy(&frame.payload)),
                other => bail!("unexpected {other:?} from the machine"),
            },
        }
    }
}

fn pass_on(to: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    to.write_all(bytes)
        .and_then(|()| to.flush())
        .context("passing the command's output on")
}

/// Copies a folder into the machine.
fn share(mut port: &UnixStream, folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        bail!("{} is not a folder", folder.display());
    }
    let mut tar = Command::new("tar");
    tar.args(["-c", "-f", "-", "-C"]).arg(folder).arg(".");
    let mut tar = tar.stdout(Stdio::piped()).spawn().context("starting tar")?;
    let mut pipe = tar.stdout.take().context("no pipe from tar")?;
    let mut buffer = vec![0; wire::MAX_PAYLOAD];
    loop {
        let count = pipe.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        wire::write(&mut port, Kind::Share, &buffer[..count])?;
    }
    if !tar.wait()?.success() {
        bail!("packing {} failed", folder.display());
    }
    Ok(wire::write(&mut port, Kind::Share, b"")?)
}

/// Sends the command's input, and changes of the terminal's size, from a thread: the main one must
/// always be free to take output, or both sides could wait for each other.
fn send_input(port: UnixStream, input: OwnedFd, on_terminal: bool) -> Result<()> {
    let mut signals = SigSet::empty();
    if on_terminal {
        for signal in [
            Signal::SIGWINCH,
            Signal::SIGTERM,
            Signal::SIGHUP,
            Signal::SIGINT,
        ] {
            signals.add(signal);
        }
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&signals), None)?;
    }
    let signals = SignalFd::with_flags(&signals, SfdFlags::SFD_CLOEXEC)?;
    std::thread::spawn(move || {
        // The machine is gone, or somebody asked us to end: the main thread sees the port close.
        if forward_input(&port, File::from(input), &signals).is_err() {
            let _ = port.shutdown(std::net::Shutdown::Both);
        }
    });
    Ok(())
}

fn forward_input(mut port: &UnixStream, mut input: File, signals: &SignalFd) -> Result<()> {
    let mut buffer = vec![0; wire::MAX_PAYLOAD];
    let mut open = true;
    loop {
        let mut polled = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        if open {
            polled.push(PollFd::new(input.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) => {}
            Err(nix::errno::Errno::EINTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let ready = |index: usize| {
            polled
                .get(index)
                .and_then(PollFd::revents)
                .is_some_and(|events| !events.is_empty())
        };
        let (signalled, readable) = (ready(0), ready(1));
        if signalled {
            match signals.read_signal()? {
                Some(signal) if signal.ssi_signo as i32 == Signal::SIGWINCH as i32 => {
                    wire::write(&mut port, Kind::Resize, &terminal::size().encode())?;
                }
                _ => bail!("ended by a signal"),
            }
        }
        if readable {
            let count = input.read(&mut buffer)?;
            if count == 0 {
                open = false;
                wire::write(&mut port, Kind::StdinEnd, b"")?;
            } else {
                wire::write(&mut port, Kind::Stdin, &buffer[..count])?;
            }
        }
    }
}
