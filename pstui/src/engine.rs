// SPDX-License-Identifier: GPL-2.0-only
//! The engine in user space, the same that the kernel has: compiling, running, packets to run on.

use crate::cases::Frame;
use crate::cli::Limits;
use crate::error::{Error, Result};
use crate::lint;
use crate::script;
use packetscript_abi::border;
use packetscript_abi::source::{Bundle, Chunk as Text, required};
use packetscript_engine::compiler::Chunk;
use packetscript_engine::host::frame::{self, Tcp, flag};
use packetscript_engine::host::now_ms;
use packetscript_engine::host::user::{UserPacket, set_clock};
use packetscript_engine::packet::verdict::{self, ANSWERS, QUEUE_BYPASS, Verdict};
use packetscript_engine::user::{self, Environment, Program, Settings};
use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::rc::Rc;

fn chunks(texts: &[Text]) -> Vec<Chunk<'_>> {
    texts
        .iter()
        .map(|text| Chunk {
            name: text.name.as_bytes(),
            text: &text.text,
        })
        .collect()
}

/// What the engine says about a script, with its files named.
fn script_error(bundle: &Bundle, text: &str) -> Error {
    Error::Script(script::located(bundle, text).unwrap_or_else(|| text.to_owned()))
}

/// Compiles a packet script with its modules.
pub fn compile(bundle: &Bundle) -> Result<Program> {
    user::check(&chunks(&bundle.chunks)).map_err(|error| script_error(bundle, &error.to_string()))
}

/// Plain Lua with the modules that lie beside it. Others fail where they are required, as in Lua.
pub fn plain_chunks(name: &str, text: Vec<u8>, folder: &Path) -> Vec<Text> {
    let mut texts = vec![Text {
        name: name.to_owned(),
        text,
        file: name.into(),
    }];
    let mut next = 0;
    while next < texts.len() {
        for (_, module) in required(&texts[next].text) {
            let known = texts.iter().skip(1).any(|text| text.name == module);
            let file = folder.join(module.replace('.', "/") + ".lua");
            if let (false, Ok(text)) = (known, std::fs::read(&file)) {
                texts.push(Text {
                    name: module,
                    text,
                    file,
                });
            }
        }
        next += 1;
    }
    texts
}

/// What the compiler makes of plain Lua, or of a packet script.
pub fn list(texts: &[Text], packet: bool) -> Result<String> {
    let chunks = chunks(texts);
    let program = if packet {
        user::check(&chunks)
    } else {
        user::check_plain(&chunks)
    };
    Ok(program
        .map_err(|error| Error::Script(error.to_string()))?
        .disassemble())
}

/// Runs plain Lua, after the texts `first` of the command line; each line that it prints goes to `print`. An error is the message with its traceback.
pub fn run_plain(
    name: &str,
    text: &[u8],
    first: &[&[u8]],
    args: &[&[u8]],
    memory: u64,
    fuel: Option<u64>,
    print: packetscript_engine::host::user::Print,
) -> std::result::Result<(), Vec<u8>> {
    let settings = user::plain::Options {
        memory,
        fuel: fuel.unwrap_or(0),
        print,
        before: vec![b"pstui", b"lua"],
        first: first.iter().map(|text| text.to_vec()).collect(),
    };
    let chunk = Chunk {
        name: name.as_bytes(),
        text,
    };
    user::plain::run(&[chunk], name, args, settings)
}

/// A script that lives: its globals, and what it printed.
pub struct Instance {
    environment: Environment,
    fuel: u64,
    printed: Rc<RefCell<Vec<String>>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fuel: border::FUEL_DEFAULT,
            memory: border::MEMORY_DEFAULT,
        }
    }
}

/// A function that packets are given to.
#[derive(Debug, Clone, Copy)]
pub struct Function(u32);

/// What came of a stretch of time.
#[derive(Debug, Default)]
pub struct Passed {
    /// Timers that ran.
    pub runs: u64,
    /// Errors of timers, with their tracebacks.
    pub errors: Vec<String>,
    /// Whether there were too many to run all.
    pub hurried: bool,
}

/// What came of a packet.
pub struct Outcome {
    /// As the script writes it, or the error with its traceback.
    pub verdict: std::result::Result<String, String>,
    /// What came beside it.
    pub reason: Option<String>,
    /// Fuel used.
    pub fuel: u64,
}

impl Instance {
    /// Compiles and runs the top level, with the limits that a rule has by default.
    pub fn new(bundle: &Bundle, args: &[(String, String)]) -> Result<Self> {
        Self::limited(bundle, args, Limits::default())
    }

    /// Compiles and runs the top level.
    pub fn limited(bundle: &Bundle, args: &[(String, String)], limits: Limits) -> Result<Self> {
        let program = compile(bundle)?;
        let printed = Rc::new(RefCell::new(Vec::new()));
        let sink = Rc::clone(&printed);
        let print = Box::new(move |line: &[u8]| {
            sink.borrow_mut()
                .push(String::from_utf8_lossy(line).into_owned());
        });
        let settings = Settings {
            args: args.to_vec(),
            print,
            memory: limits.memory,
            packet_fuel: limits.fuel,
            ..Settings::default()
        };
        let environment =
            Environment::new(program, settings).map_err(|text| script_error(bundle, &text))?;
        Ok(Self {
            environment,
            fuel: limits.fuel,
            printed,
        })
    }

    /// Whether there is a global function of that name.
    pub fn has(&mut self, function: &str) -> bool {
        self.environment.bind(function).is_ok()
    }

    /// What is odd about its program, `FILE:LINE: warning: …` each.
    pub fn warnings(&mut self, bundle: &Bundle) -> Result<Vec<String>> {
        let program = compile(bundle)?;
        let found = lint::warnings(&program, |name| self.environment.has_global(name));
        Ok(found
            .into_iter()
            .map(|odd| {
                let text = format!("{}:{}: warning: {}", odd.chunk, odd.line, odd.text);
                script::located(bundle, &text).unwrap_or(text)
            })
            .collect())
    }

    /// Looks a function up, once, as a rule does.
    pub fn function(&mut self, name: &str) -> Result<Function> {
        let handle = self.environment.bind(name).map_err(Error::Data)?;
        Ok(Function(handle))
    }

    /// Gives a packet to a function by its name.
    pub fn run(&mut self, function: &str, packet: &mut UserPacket) -> Result<Outcome> {
        let function = self.function(function)?;
        Ok(self.give(function, packet))
    }

    /// Gives a packet to a function.
    pub fn give(&mut self, function: Function, packet: &mut UserPacket) -> Outcome {
        let Function(handle) = function;
        let outcome = self.environment.run(handle, packet, 0);
        let reason = match &outcome.verdict {
            Ok(result) if result.reason > 0 => Some(self.environment.reason(result.reason - 1)),
            _ => None,
        };
        Outcome {
            verdict: outcome
                .verdict
                .map(|result| written(result.verdict, result.operand)),
            reason,
            fuel: outcome.fuel,
        }
    }

    /// Moves the clock on and runs the timers that are due meanwhile, each at its time, but at most `runs` of them
    /// and for as much fuel as a top level has: what a timer of a millisecond does in a day of nothing, nobody wants
    /// to wait for. Then the rest of the time passes at once, as if the machine had slept.
    pub fn pass(&mut self, ms: u64, runs: u64) -> Passed {
        let mut passed = Passed::default();
        let mut fuel = 0;
        while let Some(due) = self.environment.next_timer().filter(|due| *due <= ms) {
            if passed.runs == runs || fuel > border::LOAD_FUEL_DEFAULT {
                passed.hurried = true;
                break;
            }
            set_clock(Some(due.max(now_ms())));
            match self.environment.run_timer() {
                Some(Ok(used)) => fuel += used,
                Some(Err(error)) => {
                    // It may have used all that it had.
                    fuel += self.fuel;
                    passed.errors.push(error);
                }
                None => break,
            }
            passed.runs += 1;
        }
        set_clock(Some(ms.max(now_ms())));
        passed
    }

    /// Moves the clock on and runs the timers that are due meanwhile; gives their errors.
    pub fn advance_to(&mut self, ms: u64) -> Vec<String> {
        self.environment.advance_to(ms)
    }

    /// What was printed since the last question.
    pub fn printed(&mut self) -> Vec<String> {
        std::mem::take(&mut self.printed.borrow_mut())
    }
}

/// A verdict as a script writes it.
fn written(code: u32, operand: u32) -> String {
    let name = verdict::CONSTANTS
        .iter()
        .find(|constant| constant.verdict as u32 == code)
        .map_or("STOLEN", |constant| constant.name);
    if code == Verdict::Queue as u32 {
        let bypass = if operand & QUEUE_BYPASS != 0 {
            ", \"bypass\""
        } else {
            ""
        };
        return format!("QUEUE({}{bypass})", operand & 0xffff);
    }
    if code == Verdict::Reject as u32 {
        // 0 is REJECT without an answer of its own.
        let answer = (operand as usize).checked_sub(1).map(|at| ANSWERS.get(at));
        return match answer {
            Some(answer) => format!("REJECT(\"{}\")", answer.copied().unwrap_or("?")),
            None => name.to_owned(),
        };
    }
    name.to_owned()
}

/// The bytes of a packet that a test describes.
pub fn build(frame: &Frame) -> Vec<u8> {
    if let Some(raw) = &frame.raw {
        return raw.clone();
    }
    let (src, dst) = (frame.src, frame.dst);
    match frame.proto.as_str() {
        "tcp" => {
            let tcp = Tcp {
                flags: frame.flags,
                window: 1000,
                ..Tcp::default()
            };
            frame::tcp(src, dst, frame.ports, &tcp, &frame.payload)
        }
        "icmp" => frame::echo(src, dst, false, 1, 1, &frame.payload),
        "neighbour" => neighbour(src, dst),
        _ => frame::udp(src, dst, frame.ports.0, frame.ports.1, &frame.payload),
    }
}

/// A neighbour solicitation.
fn neighbour(src: IpAddr, dst: IpAddr) -> Vec<u8> {
    let mut message = vec![135, 0, 0, 0, 0, 0, 0, 0];
    message.extend([0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
    frame::ip(src, dst, 58, message)
}

/// What every script must cope with: the common, the fragmented and the cut off.
pub fn zoo() -> Vec<(String, UserPacket)> {
    let four = (IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2]));
    let six = (
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2]),
    );
    let mut zoo = Vec::new();
    for (version, (src, dst)) in [("IPv4", four), ("IPv6", six)] {
        let udp = frame::udp(
            src,
            dst,
            4000,
            53,
            b"some text that is long enough to be cut",
        );
        let syn = Tcp {
            flags: flag::SYN,
            window: 64240,
            options: vec![2, 4, 5, 180],
            ..Tcp::default()
        };
        let tcp = frame::tcp(src, dst, (4000, 443), &syn, b"");
        let data = Tcp {
            flags: flag::ACK | flag::PSH,
            window: 501,
            ..Tcp::default()
        };
        let http = frame::tcp(
            src,
            dst,
            (4000, 80),
            &data,
            b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n",
        );
        let pieces = frame::fragments(&udp, 24);
        let packets = [
            ("UDP", udp.clone()),
            ("TCP SYN", tcp.clone()),
            ("TCP with data", http),
            ("echo request", frame::echo(src, dst, false, 1, 1, b"ping")),
            (
                "first fragment",
                pieces.first().cloned().unwrap_or_default(),
            ),
            ("later fragment", pieces.last().cloned().unwrap_or_default()),
            ("protocol 253", frame::ip(src, dst, 253, vec![0; 8])),
            ("UDP cut in its header", udp[..udp.len() - 43].to_vec()),
            ("TCP cut in its header", tcp[..tcp.len() - 14].to_vec()),
            ("IP header cut", udp[..12].to_vec()),
        ];
        for (name, bytes) in packets {
            zoo.push((format!("{version} {name}"), UserPacket::new(&bytes)));
        }
        // As drivers deliver them: only the start can be read without asking.
        zoo.push((
            format!("{version} UDP in pieces of memory"),
            UserPacket::new(&udp).with_linear(20),
        ));
    }
    let arp = frame::arp(
        1,
        [2, 0, 0, 0, 0, 1],
        Ipv4Addr::new(192, 0, 2, 1),
        [0; 6],
        Ipv4Addr::new(192, 0, 2, 2),
    );
    zoo.push(("ARP request".to_owned(), UserPacket::new(&arp)));
    zoo
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What REJECT answers is counted from 1, for 0 is REJECT alone: each was shown as the one behind it.
    #[test]
    fn verdicts_are_written_as_scripts_write_them() {
        let reject = Verdict::Reject as u32;
        assert_eq!(written(reject, 0), "REJECT");
        for (at, answer) in ANSWERS.iter().enumerate() {
            let shown = format!("REJECT(\"{answer}\")");
            assert_eq!(written(reject, at as u32 + 1), shown);
        }
        let queue = Verdict::Queue as u32;
        assert_eq!(written(queue, 7), "QUEUE(7)");
        assert_eq!(written(queue, 7 | QUEUE_BYPASS), "QUEUE(7, \"bypass\")");
        assert_eq!(written(Verdict::Drop as u32, 0), "DROP");
        assert_eq!(written(Verdict::Continue as u32, 0), "CONTINUE");
    }
}
