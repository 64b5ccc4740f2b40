// SPDX-License-Identifier: GPL-2.0-only
//! What a script may say and hardly means: comparisons that never come out true, names that nothing defines.
//!
//! This reads what the compiler made of the script rather than its text, so it sees what will run. It
//! warns and never refuses: a table of the script's own may have fields of any name.

use packetscript_abi::border::DEFAULT_FUNCTION;
use packetscript_engine::bytecode::image::{Constant, Image, Proto};
use packetscript_engine::bytecode::op::{Inst, Op};
use packetscript_engine::packet::address;
use packetscript_engine::packet::dissect::dns;
use packetscript_engine::packet::fields::{self, Field, Kind, What};
use packetscript_engine::packet::suggest;
use packetscript_engine::user::Program;
use std::collections::{BTreeMap, BTreeSet};

/// What is odd, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// The chunk.
    pub chunk: String,
    /// The line in it.
    pub line: u32,
    /// What is odd, and what to do.
    pub text: String,
}

/// Names of Lua's own library that packet scripts do not have.
const ABSENT: [&str; 3] = ["io", "dofile", "loadfile"];

/// What a packet function gets, as scripts call it: only fields of such are looked at.
const PACKETS: [&[u8]; 3] = [b"p", b"packet", b"pkt"];

/// What is odd about a program. `known` says which globals there are once it is loaded.
pub fn warnings(program: &Program, mut known: impl FnMut(&str) -> bool) -> Vec<Warning> {
    let Ok(image) = Image::open(program.image()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut globals = Globals::default();
    for proto in (0..image.proto_count()).filter_map(|index| image.proto(index)) {
        found.extend(hidden(&image, &proto));
        let mut before = None;
        for pc in 0..proto.code_len {
            let Some((op, inst)) = instruction(&image, &proto, pc) else {
                continue;
            };
            let here = Here {
                image: &image,
                proto: &proto,
                pc,
                before,
            };
            found.extend(here.comparison(op, inst).map(|text| here.warning(text)));
            globals.note(&here, op, inst);
            before = Some((op, inst));
        }
    }
    found.extend(globals.warnings(&mut known));
    found.sort_by(|a, b| (&a.chunk, a.line, &a.text).cmp(&(&b.chunk, b.line, &b.text)));
    found.dedup();
    found
}

/// The packet function, where nobody finds it.
fn hidden(image: &Image, proto: &Proto) -> Option<Warning> {
    let name = DEFAULT_FUNCTION.as_bytes();
    let named = |index| {
        image
            .local(proto, index)
            .and_then(|local| image.name(local.name))
    };
    let is_hidden =
        proto.first_line == 0 && (0..proto.local_count).any(|index| named(index) == Some(name));
    let function = (0..image.proto_count())
        .filter_map(|index| image.proto(index))
        .find(|function| function.chunk == proto.chunk && image.name(function.name) == Some(name));
    let line = function.map_or_else(|| image.line(proto, 0), |function| function.first_line);
    is_hidden.then(|| Warning {
        chunk: String::from_utf8_lossy(image.chunk_name(proto.chunk)).into_owned(),
        line,
        text: format!(
            "{DEFAULT_FUNCTION} is local, and rules look for a global: leave out 'local'"
        ),
    })
}

fn instruction(image: &Image, proto: &Proto, pc: u32) -> Option<(Op, Inst)> {
    let inst = image.inst(proto.code + pc)?;
    Some((Op::from_byte(inst.op_byte())?, inst))
}

/// An instruction's surroundings.
struct Here<'i> {
    image: &'i Image<'i>,
    proto: &'i Proto,
    pc: u32,
    before: Option<(Op, Inst)>,
}

/// What a field holds, as far as comparing goes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Holds {
    Number,
    Flag,
    Address,
    Text,
    /// A text or a number.
    Either,
    View,
    Method,
}

fn holds(field: &Field) -> Holds {
    use What::{
        DestinationAddress, DnsFlag, DnsType, Flag, Gateway, MoreFragments, SackPermitted,
        SourceAddress, Target, TlsVersion,
    };
    match field.what {
        Flag | MoreFragments | SackPermitted | DnsFlag(_) => Holds::Flag,
        SourceAddress
        | DestinationAddress
        | Gateway
        | Target
        | What::ArpSenderProtocol
        | What::ArpTargetProtocol => Holds::Address,
        DnsType | TlsVersion => Holds::Either,
        What::View(_) | What::DnsQuestions | What::DnsAnswers | What::TlsAlpn => Holds::View,
        What::Method(_) => Holds::Method,
        What::Family
        | What::Hook
        | What::InputName
        | What::OutputName
        | What::PacketType
        | What::Flow
        | What::Payload
        | What::EthSource
        | What::EthDestination
        | What::ArpSenderHardware
        | What::ArpTargetHardware
        | What::DnsName
        | What::TlsServerName
        | What::HttpMethod
        | What::HttpPath
        | What::HttpHost
        | What::TftpOperation
        | What::TftpFile
        | What::TftpMode => Holds::Text,
        What::Connection(part) => connection(part),
        _ => Holds::Number,
    }
}

fn connection(part: fields::Connection) -> Holds {
    use fields::Connection::{Destination, Original, Reply, Source, State};
    match part {
        State => Holds::Text,
        Original | Reply => Holds::View,
        Source | Destination => Holds::Address,
        _ => Holds::Number,
    }
}

impl Here<'_> {
    fn warning(&self, text: String) -> Warning {
        Warning {
            chunk: String::from_utf8_lossy(self.image.chunk_name(self.proto.chunk)).into_owned(),
            line: self.image.line(self.proto, self.pc),
            text,
        }
    }

    fn string(&self, constant: u32) -> Option<(&[u8], Option<u16>)> {
        match self.image.constant(constant)? {
            Constant::Str(text, id) => Some((text, id)),
            _ => None,
        }
    }

    /// The field of a packet that the instruction before has put into a register.
    fn field(&self, register: u8) -> Option<&'static Field> {
        let (op, inst) = self.before.filter(|(_, inst)| inst.a() == register)?;
        let pc = self.pc.checked_sub(1)?;
        let base = self
            .image
            .local_name(self.proto, u32::from(inst.b() as u8), pc)?;
        if !PACKETS.contains(&base) {
            return None;
        }
        match op {
            Op::GetField2 => fields::field(inst.off()),
            Op::GetField => {
                let (_, id) = self.string(u32::from(inst.c()))?;
                fields::field(fields::path_of(Kind::Root as u8, id?))
            }
            _ => None,
        }
    }

    /// What is odd about a comparison.
    fn comparison(&self, op: Op, inst: Inst) -> Option<String> {
        let number = match op {
            Op::JmpEqI | Op::JmpNeI => Some(inst.imm()),
            Op::JmpEqK | Op::JmpNeK => None,
            Op::JmpLtI
            | Op::JmpLeI
            | Op::JmpGtI
            | Op::JmpGeI
            | Op::JmpNLtI
            | Op::JmpNLeI
            | Op::JmpNGtI
            | Op::JmpNGeI => return self.range(inst.a(), inst.imm()),
            _ => return None,
        };
        if self
            .before
            .is_some_and(|(op, before)| op == Op::Not && before.a() == inst.a())
        {
            return Some(
                "'not a == b' compares 'not a' with b: write 'a ~= b' or 'not (a == b)'".to_owned(),
            );
        }
        let field = self.field(inst.a())?;
        match number {
            Some(n) => number_with(field, n).or_else(|| self.range(inst.a(), n)),
            None => constant_with(field, self.image.constant(inst.imm().cast_unsigned())?),
        }
    }

    /// A number that a port never is.
    fn range(&self, register: u8, n: i32) -> Option<String> {
        let field = self.field(register)?;
        let port = matches!(field.name, "sport" | "dport");
        (port && !(-1..=65536).contains(&n)).then(|| format!("a port is never {n}: 0 to 65535"))
    }
}

/// What is odd about comparing a field with a constant.
fn constant_with(field: &Field, constant: Constant) -> Option<String> {
    let Field { name, kind, .. } = field;
    let of = of(*kind);
    let said = match constant {
        Constant::Str(text, _) => text,
        Constant::Boolean(_) if holds(field) != Holds::Flag => {
            return Some(format!(
                "'{name}'{of} is never true or false: what a packet does not have is nil"
            ));
        }
        Constant::Int(n) => return number_with(field, n),
        _ => return None,
    };
    let shown = String::from_utf8_lossy(said);
    match holds(field) {
        Holds::Address if address::parse_prefix(said).is_some() && said.contains(&b'/') => {
            Some(format!(
                "'{name}'{of} is an address, never equal to a string: write {name}:within \"{shown}\""
            ))
        }
        Holds::Address => Some(format!(
            "'{name}'{of} is an address, never equal to a string: compare with ip \"{shown}\""
        )),
        Holds::Number => Some(format!("'{name}'{of} is a number, never equal to a string")),
        Holds::Flag => Some(format!(
            "'{name}'{of} is true or false, never equal to a string"
        )),
        Holds::View | Holds::Method => Some(format!("'{name}'{of} is never equal to a string")),
        Holds::Text | Holds::Either => None,
    }
}

fn of(kind: Kind) -> String {
    match kind {
        Kind::Root => String::new(),
        kind => format!(" of {}", kind.name()),
    }
}

fn number_with(field: &Field, n: impl Into<i64>) -> Option<String> {
    let (n, of, name) = (n.into(), of(field.kind), field.name);
    match holds(field) {
        Holds::Flag => Some(format!(
            "'{name}'{of} is true or false, never equal to a number"
        )),
        Holds::Address => Some(format!(
            "'{name}'{of} is an address, never equal to a number"
        )),
        Holds::Text => Some(format!("'{name}'{of} is a string, never equal to a number")),
        Holds::View | Holds::Method => Some(format!("'{name}'{of} is never equal to a number")),
        Holds::Either if field.what == What::DnsType => {
            let kind = dns::type_name(u16::try_from(n).ok()?)?;
            Some(format!(
                "'{name}'{of} is \"{kind}\" where its number is {n}"
            ))
        }
        Holds::Either | Holds::Number => None,
    }
}

/// Globals that the program reads and writes.
#[derive(Default)]
struct Globals {
    read: Vec<(String, Warning)>,
    written: BTreeSet<String>,
    /// Those that only functions write, and where first.
    by_functions: BTreeMap<String, Warning>,
    by_top: BTreeSet<String>,
}

impl Globals {
    fn note(&mut self, here: &Here, op: Op, inst: Inst) {
        let (upvalue, name) = match op {
            Op::GetTabUp => (inst.b(), inst.c()),
            Op::SetTabUp | Op::SetTabUpK => (u16::from(inst.a()), inst.b()),
            _ => return,
        };
        let upvalue = here.image.upvalue(here.proto, u32::from(upvalue));
        let table = upvalue.and_then(|upvalue| here.image.name(upvalue.name));
        let Some((name, _)) = here.string(u32::from(name)) else {
            return;
        };
        if table != Some(b"_ENV") {
            return;
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let warning = here.warning(String::new());
        if op == Op::GetTabUp {
            self.read.push((name, warning));
        } else {
            if here.proto.first_line == 0 {
                self.by_top.insert(name.clone());
            } else {
                self.by_functions.entry(name.clone()).or_insert(warning);
            }
            self.written.insert(name);
        }
    }

    fn warnings(self, known: &mut impl FnMut(&str) -> bool) -> Vec<Warning> {
        let read: BTreeSet<&String> = self.read.iter().map(|(name, _)| name).collect();
        let unread = |name: &String| !self.by_top.contains(name) && !read.contains(name);
        let mut found: Vec<Warning> = self
            .by_functions
            .iter()
            .filter(|(name, _)| unread(name))
            .map(|(name, warning)| Warning {
                text: format!(
                    "the global '{name}' is set and never read: write 'return', or 'local'"
                ),
                ..warning.clone()
            })
            .collect();
        for (name, warning) in &self.read {
            if self.written.contains(name) || known(name) {
                continue;
            }
            let text = if ABSENT.contains(&name.as_str()) {
                format!("packet scripts have no '{name}'")
            } else {
                match self.meant(name, known) {
                    Some(meant) => {
                        format!(
                            "nothing defines the global '{name}', so it is nil; did you mean '{meant}'?"
                        )
                    }
                    None => format!("nothing defines the global '{name}', so it is nil"),
                }
            };
            found.push(Warning {
                text,
                ..warning.clone()
            });
        }
        found
    }

    /// A name that there is and that is like this one.
    fn meant(&self, name: &str, known: &mut impl FnMut(&str) -> bool) -> Option<String> {
        let cases = [name.to_uppercase(), name.to_lowercase()];
        if let Some(other) = cases
            .into_iter()
            .find(|other| other != name && known(other))
        {
            return Some(other);
        }
        let verdicts = packetscript_engine::packet::verdict::CONSTANTS
            .iter()
            .map(|constant| constant.name);
        let own = self.written.iter().map(String::as_str);
        let library = [
            "string",
            "table",
            "math",
            "args",
            "print",
            "ipset",
            "domainset",
            "bucket",
            "map",
            "proto",
        ];
        suggest::nearest(name.as_bytes(), verdicts.chain(own).chain(library)).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use packetscript_engine::user::{Chunk, Environment, Settings, check};

    fn lint(text: &str) -> Vec<String> {
        let program = || {
            check(&[Chunk {
                name: b"x.lua",
                text: text.as_bytes(),
            }])
            .unwrap()
        };
        let mut environment = Environment::new(program(), Settings::default()).unwrap();
        warnings(&program(), |name| environment.has_global(name))
            .into_iter()
            .map(|warning| format!("{}:{}: {}", warning.chunk, warning.line, warning.text))
            .collect()
    }

    /// Says that the body of a packet function is warned of, with this text.
    fn warned(body: &str, wanted: &str) {
        let found = lint(&format!("function process_packet(p)\n{body}\nend"));
        assert_eq!(found.len(), 1, "{body}: {found:?}");
        assert!(found[0].starts_with("x.lua:2: "), "{body}: {found:?}");
        assert!(found[0].contains(wanted), "{body}: {found:?}");
    }

    #[test]
    fn comparisons_that_never_come_out_true_are_told() {
        for (body, wanted) in [
            (
                "if p.src == '10.0.0.1' then return DROP end",
                "compare with ip \"10.0.0.1\"",
            ),
            (
                "if '::1' ~= p.dst then return DROP end",
                "compare with ip \"::1\"",
            ),
            (
                "if p.ip and p.ip.saddr == '10.0.0.1' then return DROP end",
                "'saddr' of ip is an address",
            ),
            (
                "return p.src == '10.0.0.0/8' and DROP",
                "write src:within \"10.0.0.0/8\"",
            ),
            (
                "if p.proto == 'udp' then return DROP end",
                "'proto' is a number, never equal to a string",
            ),
            (
                "if p.tcp and p.tcp.syn == 1 then return DROP end",
                "'syn' of tcp is true or false",
            ),
            (
                "if p.family == 4 then return DROP end",
                "'family' is a string, never equal to a number",
            ),
            (
                "if p.udp == true then return DROP end",
                "'udp' is never true or false",
            ),
            (
                "if p.dport == 70000 then return DROP end",
                "a port is never 70000",
            ),
            (
                "if p.udp and p.udp.dport > 100000 then return DROP end",
                "a port is never 100000",
            ),
            (
                "if p.dns and p.dns.qtype == 28 then return DROP end",
                "'qtype' of dns is \"AAAA\"",
            ),
            ("if not p.proto == 17 then return DROP end", "'not a == b'"),
        ] {
            warned(body, wanted);
        }
    }

    #[test]
    fn names_that_mean_nothing_are_told() {
        for (body, wanted) in [
            (
                "if p.udp then return drop end",
                "the global 'drop', so it is nil; did you mean 'DROP'?",
            ),
            ("return DORP", "did you mean 'DROP'?"),
            ("local s = stirng.format('%d', 1)", "did you mean 'string'?"),
            (
                "return pakcet_count and DROP",
                "nothing defines the global 'pakcet_count', so it is nil",
            ),
            ("local f = io.open 'x'", "packet scripts have no 'io'"),
            ("verdict = DROP", "'verdict' is set and never read"),
        ] {
            warned(body, wanted);
        }
    }

    #[test]
    fn a_packet_function_that_is_local_is_told() {
        let found = lint("local n = 0\nlocal function process_packet(p)\n  return DROP\nend");
        assert_eq!(
            found,
            ["x.lua:2: process_packet is local, and rules look for a global: leave out 'local'"]
        );
    }

    #[test]
    fn what_is_meant_is_not_told() {
        let text = "seen = {}
            local t = { src = '10.0.0.1' }
            helper = function(e) return e.src == '02:00:00:00:00:01' or e.type == 'A' end
            function process_packet(p)
              count = (count or 0) + 1
              if p.src == ip '10.0.0.1' or tostring(p.src) == '10.0.0.1' then return DROP end
              if t.src == '10.0.0.1' and p.eth and p.eth.src == '02:00:00:00:00:01' then return DROP end
              if p.dport == 65535 or p.dport > 65534 or p.proto == 17 or p.hook == 'input' then return DROP end
              if p.dns and (p.dns.qtype == 'A' or p.dns.qtype == 65280) then return DROP end
              if p.tcp and p.tcp.syn == true and p.tcp.flags == 2 and p.udp == nil then return DROP end
              if not (p.proto == 17) or not p.udp then return seen[p.src] or helper(p) end
              if args.x == 'y' and _G.later and math.pi == 3 and string.format then return ACCEPT end
            end";
        assert_eq!(lint(text), Vec::<String>::new());
    }
}
