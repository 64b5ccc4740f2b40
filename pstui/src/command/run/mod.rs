// SPDX-License-Identifier: GPL-2.0-only
//! `pstui run`: the packets of a capture, given to a script on the engine in user space.
//!
//! Each goes through as a rule of IPv4 or IPv6 would see it; the clock follows the time stamps. What the script prints,
//! its errors and a summary come out, and if asked for what gets through, as a capture.

mod brief;
mod output;
mod tally;

use crate::cli::{self, Hook, OnError};
use crate::engine::{self, Function, Instance};
use crate::error::{Error, Result};
use crate::script;
use nix::poll::{PollFd, PollFlags, poll};
use nix::sys::signal::{SigSet, Signal};
use output::Output;
use packetscript_abi::names;
use packetscript_abi::source::Bundle;
use packetscript_capture::link::{self, EtherType, Frame, Seen};
use packetscript_capture::read::Reader;
use packetscript_capture::write::Writer;
use packetscript_capture::{Packet, link::LinkType};
use packetscript_engine::host::user::{UserPacket, set_clock, set_epoch};
use serde_json::json;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Read};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use tally::Tally;

/// Timers that run between two packets.
const TIMERS_MAX: u64 = 10_000;

/// Milliseconds between two looks at whether somebody wants an end.
const GLANCE: u8 = 100;

/// Somebody pressed Ctrl-C: what was done until then is told.
static STOP: AtomicBool = AtomicBool::new(false);

/// Runs it.
pub fn run(args: &cli::Run) -> Result<()> {
    let pairs = super::check::arguments(&args.args)?;
    names::check_function(&args.function).map_err(Error::Data)?;
    check_interfaces(args)?;
    let bundle = script::read(&args.file)?;
    // A script that is wrong is told of before a capture from a pipe is waited for.
    engine::compile(&bundle)?;
    let (input, name) = open(&args.pcap)?;
    let about = input.file.metadata();
    let about = about.map_err(|why| file_error(&args.pcap, &why))?;
    let live = input.live;
    let mut reader = Reader::new(input, name)?;
    let (start, link) = reader.peek().unwrap_or((0, link::ETHERNET));
    // The time of day is that of the packets, from the top level on.
    let _clock = Clock::start(start);
    let mut instance = Instance::limited(&bundle, &pairs, args.limits)?;
    let function = instance.function(&args.function).map_err(|error| {
        let file = args.file.display();
        Error::Script(format!("{file}: {error}"))
    })?;
    let writer = match &args.write {
        Some(path) => {
            refuse_what_is_read(path, &about, &args.file)?;
            let failed = |why| file_error(path, &why);
            let out = BufWriter::new(File::create(path).map_err(failed)?);
            Some(Writer::new(out, link, reader.has_nanoseconds()).map_err(failed)?)
        }
        None => None,
    };
    catch_interrupts();
    Simulation {
        args,
        bundle: &bundle,
        instance,
        function,
        start,
        link,
        writer,
        out: Output::new(args.json.json, args.verbose, live),
        tally: Tally::default(),
    }
    .finish(&mut reader)
}

/// The thread's clock, which stands still between packets; the system's again when this goes.
struct Clock;

impl Clock {
    fn start(time: u64) -> Self {
        set_clock(Some(0));
        set_epoch(Some(time / 1_000_000));
        Self
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        set_clock(None);
        set_epoch(None);
    }
}

/// Interfaces where the hook has them, as iptables wants it.
fn check_interfaces(args: &cli::Run) -> Result<()> {
    let (input, output) = match args.hook {
        Hook::Prerouting | Hook::Input => (true, false),
        Hook::Forward => (true, true),
        Hook::Output | Hook::Postrouting => (false, true),
    };
    for (option, name, there) in [("in", &args.input, input), ("out", &args.output, output)] {
        if name.is_some() && !there {
            let hook = args.hook.name();
            return Err(Error::Data(format!(
                "--{option}: there is no such interface in {hook}"
            )));
        }
    }
    Ok(())
}

/// The first Ctrl-C ends the run after the packet at hand, the second at once. A handler would need unsafe code; a
/// thread that waits for the signal does not.
fn catch_interrupts() {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    if signals.thread_block().is_err() {
        return;
    }
    std::thread::spawn(move || {
        while signals.wait().is_ok() {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        }
    });
}

/// The capture, which ends where the user wants it to.
struct Input {
    file: File,
    /// Whether what follows may come late or never.
    live: bool,
}

impl Read for Input {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut ready = !self.live;
        while !ready {
            let mut wanted = [PollFd::new(self.file.as_fd(), PollFlags::POLLIN)];
            ready = poll(&mut wanted, GLANCE)? > 0;
            if STOP.load(Ordering::Relaxed) {
                return Ok(0);
            }
        }
        self.file.read(to)
    }
}

/// The system's reason, whatever it is: whoever may read a file is nothing that the kernel module decides.
fn file_error(path: &Path, why: &std::io::Error) -> Error {
    match Error::file(path, why) {
        Error::Permission(_) => Error::File {
            path: path.to_owned(),
            why: "Permission denied".to_owned(),
        },
        error => error,
    }
}

/// The capture, and what messages call it.
fn open(path: &Path) -> Result<(Input, String)> {
    let failed = |why| file_error(path, &why);
    let (file, name) = if path == Path::new("-") {
        let input = std::io::stdin().as_fd().try_clone_to_owned();
        (
            File::from(input.map_err(failed)?),
            "standard input".to_owned(),
        )
    } else {
        (
            File::open(path).map_err(failed)?,
            path.display().to_string(),
        )
    };
    let live = file.metadata().is_ok_and(|about| !about.is_file());
    Ok((Input { file, live }, name))
}

/// Neither capture nor script are written over, by whatever name.
fn refuse_what_is_read(path: &Path, capture: &Metadata, script: &Path) -> Result<()> {
    // What is not there yet is neither.
    let Ok(there) = std::fs::metadata(path) else {
        return Ok(());
    };
    let same = |one: &Metadata| (one.dev(), one.ino()) == (there.dev(), there.ino());
    let script = std::fs::metadata(script);
    if there.is_file() && (same(capture) || script.is_ok_and(|script| same(&script))) {
        return Err(Error::Data(format!(
            "{}: this is what is read: give --write another file",
            path.display()
        )));
    }
    Ok(())
}

struct Simulation<'a> {
    args: &'a cli::Run,
    bundle: &'a Bundle,
    instance: Instance,
    function: Function,
    /// The first time stamp, in nanoseconds.
    start: u64,
    /// The first packet's link type.
    link: u32,
    writer: Option<Writer<BufWriter<File>>>,
    out: Output,
    tally: Tally,
}

impl Simulation<'_> {
    /// Runs to the end, and tells what came of it.
    fn finish<R: Read>(mut self, reader: &mut Reader<R>) -> Result<()> {
        self.out.printed(&self.instance.printed());
        let mut failure = self.packets(reader).err();
        let path = self.args.write.as_deref();
        if let (Some(writer), Some(path)) = (self.writer.take(), path)
            && let Err(why) = writer.finish()
        {
            failure = failure.or(Some(file_error(path, &why)));
        }
        if STOP.load(Ordering::Relaxed) {
            // A capture that ends in the middle of a packet then, for who wrote it was interrupted too.
            failure = None;
        }
        let json = self.args.json.json;
        if json {
            let mut document = self.tally.json();
            document["schema"] = json!(1);
            document["script"] = json!(self.args.file.display().to_string());
            document["capture"] = json!(self.args.pcap.display().to_string());
            document["function"] = json!(self.args.function);
            document["hook"] = json!(self.args.hook.name());
            document["written"] = json!(path.map(|_| self.tally.written));
            document["error"] = json!(failure.as_ref().map(
                |error| json!({ "kind": error.kind(), "message": error.to_string(), "hint": error.hint() })
            ));
            self.out.document(&document);
        } else {
            let errors = self.tally.errors_text(self.args.verbose);
            let wrote = path.map(|path| path.display().to_string());
            let (function, fate) = (&self.args.function, self.args.on_error);
            let summary = self.tally.text(function, fate, wrote.as_deref());
            self.out.text(&errors);
            self.out.text(&summary);
        }
        self.out.finish()?;
        match failure {
            Some(_) if json => Err(Error::Told),
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    fn packets<R: Read>(&mut self, reader: &mut Reader<R>) -> Result<()> {
        while !STOP.load(Ordering::Relaxed) && self.args.count != Some(self.tally.frames) {
            // Whoever read it had enough.
            if self.out.is_closed() && self.writer.is_none() {
                break;
            }
            let Some(packet) = reader.next_packet()? else {
                break;
            };
            self.packet(&packet)?;
            self.out.progress(self.tally.frames);
        }
        Ok(())
    }

    fn packet(&mut self, packet: &Packet) -> Result<()> {
        self.tally.frames += 1;
        self.tally.at(packet.time);
        self.tally.truncated += u64::from(packet.data.len() < packet.original as usize);
        self.timers(packet);
        match link::open(packet.link, packet.data) {
            Seen::Ip(frame) => self.ip(packet, &frame),
            Seen::Other(kind) => {
                *self.tally.others.entry(kind).or_default() += 1;
                let note = format!("{}: not IP", EtherType(kind));
                self.out.skipped(packet, self.start, &note);
                // No rule of IP has a say about it.
                self.write(packet, packet.original, &[packet.data])
            }
            Seen::Malformed => {
                self.tally.malformed += 1;
                self.out.skipped(packet, self.start, "no IP header");
                Ok(())
            }
        }
    }

    /// Lets the time pass until the packet comes.
    fn timers(&mut self, packet: &Packet) {
        let ms = packet.time.saturating_sub(self.start) / 1_000_000;
        let passed = self.instance.pass(ms, TIMERS_MAX);
        self.tally.timers += passed.runs;
        self.tally.hurried += u64::from(passed.hurried);
        for error in passed.errors {
            let text = self.located(error);
            self.tally.failed(&text, packet.number, true);
        }
        self.out.printed(&self.instance.printed());
    }

    /// An error with the file's name as the user gave it.
    fn located(&self, error: String) -> String {
        script::located(self.bundle, &error).unwrap_or(error)
    }

    fn ip(&mut self, packet: &Packet, frame: &Frame) -> Result<()> {
        let mut sent = UserPacket::new(frame.packet)
            .with_hook(self.args.hook as u8)
            .with_kind(frame.kind);
        if let Some([from, to]) = frame.mac {
            sent = sent.with_mac(from, to);
        }
        if let Some(tag) = frame.vlan {
            sent = sent.with_vlan(tag);
        }
        if let Some(name) = &self.args.input {
            sent = sent.with_input(1, name);
        }
        if let Some(name) = &self.args.output {
            sent = sent.with_output(2, name);
        }
        let outcome = self.instance.give(self.function, &mut sent);
        self.out.printed(&self.instance.printed());
        self.tally.given += 1;
        self.tally.fuel.add(outcome.fuel);
        let verdict = outcome.verdict.map_err(|error| self.located(error));
        let passes = match &verdict {
            Ok(verdict) => {
                self.tally.decided(verdict, outcome.reason.as_deref());
                verdict == "ACCEPT" || verdict == "CONTINUE"
            }
            Err(error) => {
                self.tally.errors += 1;
                self.tally.failed(error, packet.number, false);
                self.args.on_error != OnError::Drop
            }
        };
        if self.args.verbose {
            let brief = brief::of(frame.packet);
            let verdict = verdict.as_ref().map(String::as_str);
            let verdict = verdict.map_err(|error| tally::split(error).0);
            let reason = outcome.reason.as_deref();
            self.out
                .given(packet, self.start, brief, verdict, reason, outcome.fuel);
        }
        if passes && self.writer.is_some() {
            let bytes = sent.bytes();
            // Padding and the like stay with a frame that is as long as before.
            let changed = bytes.len() != frame.packet.len();
            let tail = if changed { &[][..] } else { frame.tail };
            let removed = packet.data.len() as u32;
            let parts = [frame.header, &bytes, tail];
            let length: usize = parts.iter().map(|part| part.len()).sum();
            let original = packet.original.saturating_sub(removed) + length as u32;
            return self.write(packet, original, &parts);
        }
        Ok(())
    }

    fn write(&mut self, packet: &Packet, original: u32, parts: &[&[u8]]) -> Result<()> {
        let (Some(writer), Some(path)) = (&mut self.writer, &self.args.write) else {
            return Ok(());
        };
        if packet.link != self.link {
            return Err(Error::Data(format!(
                "{}: packet {}: its link type is {}, and packets before have {}: pcap, which --write writes, has one",
                self.args.pcap.display(),
                packet.number,
                LinkType(packet.link),
                LinkType(self.link)
            )));
        }
        self.tally.written += 1;
        let wrote = writer.packet(packet.time, original, parts);
        wrote.map_err(|why| file_error(path, &why))
    }
}
