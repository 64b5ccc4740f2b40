// SPDX-License-Identifier: GPL-2.0-only
//! Verdicts: the constants of scripts, what a returned value means, and where it may be given.

use crate::host::{FAMILY_BRIDGE, FAMILY_IPV4, FAMILY_IPV6, PACKET_MATCH};
use crate::value::{Tag, Value};
use crate::vm::Vm;
use crate::vm::error::{Bytes, Raise};

/// `enum ps_verdict`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Verdict {
    /// To the next rule.
    Continue = 0,
    /// Let it through.
    Accept = 1,
    /// Throw it away.
    Drop = 2,
    /// To a queue of user space.
    Queue = 3,
    /// Throw it away and answer the sender.
    Reject = 4,
    /// Through the hook once more.
    Repeat = 5,
    /// Held by the script.
    Stolen = 6,
    /// The match is true.
    Match = 7,
}

/// In the operand of [`Verdict::Queue`]: accept when nobody listens.
pub const QUEUE_BYPASS: u32 = 0x10000;

/// What `REJECT` may answer, by the operand.
pub const ANSWERS: [&str; 9] = [
    "port-unreachable",
    "net-unreachable",
    "host-unreachable",
    "proto-unreachable",
    "net-prohibited",
    "host-prohibited",
    "admin-prohibited",
    "no-route",
    "tcp-reset",
];

/// Families whose packets may be queued, answered or reinjected.
const ROUTED: &[u8] = &[FAMILY_IPV4, FAMILY_IPV6, FAMILY_BRIDGE];

/// A verdict that scripts name.
pub struct Constant {
    /// Its global name.
    pub name: &'static str,
    /// What it stands for.
    pub verdict: Verdict,
    /// Families it may be given in; empty for all.
    pub families: &'static [u8],
    /// Hooks it may be given in, as bits; IPv4, IPv6 and bridge number them alike. None: the kernel
    /// module does not carry it out, and giving it is an error rather than something else done.
    pub hooks: u8,
}

/// Every hook.
const ANY: u8 = 0xff;
/// No hook.
const NOWHERE: u8 = 0;

/// The verdicts that scripts name, and where each may be given.
pub static CONSTANTS: [Constant; 6] = [
    Constant {
        name: "ACCEPT",
        verdict: Verdict::Accept,
        families: &[],
        hooks: ANY,
    },
    Constant {
        name: "DROP",
        verdict: Verdict::Drop,
        families: &[],
        hooks: ANY,
    },
    Constant {
        name: "CONTINUE",
        verdict: Verdict::Continue,
        families: &[],
        hooks: ANY,
    },
    Constant {
        name: "QUEUE",
        verdict: Verdict::Queue,
        families: ROUTED,
        hooks: ANY,
    },
    Constant {
        name: "REJECT",
        verdict: Verdict::Reject,
        families: ROUTED,
        hooks: NOWHERE,
    },
    Constant {
        name: "REPEAT",
        verdict: Verdict::Repeat,
        families: ROUTED,
        hooks: NOWHERE,
    },
];

impl Verdict {
    /// The verdict of a code.
    pub fn from_code(code: u32) -> Option<Self> {
        [
            Self::Continue,
            Self::Accept,
            Self::Drop,
            Self::Queue,
            Self::Reject,
            Self::Repeat,
            Self::Stolen,
            Self::Match,
        ]
        .into_iter()
        .find(|verdict| *verdict as u32 == code)
    }

    /// Its name, in capitals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Continue => "CONTINUE",
            Self::Accept => "ACCEPT",
            Self::Drop => "DROP",
            Self::Queue => "QUEUE",
            Self::Reject => "REJECT",
            Self::Repeat => "REPEAT",
            Self::Stolen => "STOLEN",
            Self::Match => "MATCH",
        }
    }

    /// The value of the plain constant, or with an operand.
    pub const fn value(self, operand: u32) -> Value {
        let payload = self as u64 | (operand as u64) << 32;
        Value {
            tag: Tag::Verdict,
            aux: 0,
            payload,
        }
    }
}

/// The value of a plain constant, by its code.
pub const fn value_of(code: u32) -> Value {
    Value {
        tag: Tag::Verdict,
        aux: 0,
        payload: code as u64,
    }
}

/// The name of a verdict value, and its operand.
pub fn parts(v: Value) -> (&'static str, u32) {
    let name = Verdict::from_code(v.payload as u32).map_or("verdict", Verdict::name);
    (name, (v.payload >> 32) as u32)
}

/// Whether a verdict's name means one; such a name cannot be assigned to in a packet script.
pub fn is_constant(name: &[u8]) -> bool {
    CONSTANTS
        .iter()
        .any(|constant| constant.name.as_bytes() == name)
}

/// What a value that the packet function returned means for the packet at hand: a verdict's code and
/// operand.
pub fn decide(vm: &mut Vm, v: Value) -> Result<(u32, u32), Raise> {
    let (family, hook, flags) = match vm.packet.packet() {
        Some(packet) => (packet.family(), packet.hook(), packet.flags()),
        None => (0, 0, 0),
    };
    if !v.is_true() || (v.tag == Tag::Verdict && v.payload == Verdict::Continue as u64) {
        return Ok((Verdict::Continue as u32, 0));
    }
    if flags & PACKET_MATCH != 0 {
        return Ok((Verdict::Match as u32, 0));
    }
    // Legal everywhere, and nearly every packet's.
    if v.tag == Tag::Verdict && v.payload <= Verdict::Drop as u64 {
        return Ok((v.payload as u32, 0));
    }
    if v.tag != Tag::Verdict {
        return Err(not_a_verdict(vm, v));
    }
    let (code, operand) = (v.payload as u32, (v.payload >> 32) as u32);
    let constant = CONSTANTS
        .iter()
        .find(|constant| constant.verdict as u32 == code);
    if let Some(constant) = constant {
        if constant.hooks == NOWHERE {
            let name = constant.name;
            return Err(vm.error(format_args!(
                "{name} is not carried out by this version: return DROP, QUEUE or another verdict"
            )));
        }
        if !constant.families.is_empty() && !constant.families.contains(&family) {
            let name = constant.name;
            return Err(vm.error(format_args!("{name} has no meaning in this family")));
        }
        if constant.hooks.checked_shr(u32::from(hook)).unwrap_or(0) & 1 == 0 {
            let name = constant.name;
            return Err(vm.error(format_args!("{name} cannot be given in this hook")));
        }
    }
    Ok((code, operand))
}

#[cold]
fn not_a_verdict(vm: &mut Vm, v: Value) -> Raise {
    const WANTED: &str = "return ACCEPT, DROP, CONTINUE or another verdict";
    match v.tag {
        Tag::Int => {
            let n = v.as_int();
            vm.error(format_args!("the number {n} is not a verdict: {WANTED}"))
        }
        Tag::Str | Tag::Bytes => {
            let mut text = super::read::Text::new();
            text.push(vm.bytes(v));
            let shown = Bytes(text.as_bytes());
            if is_constant(text.as_bytes()) {
                return vm.error(format_args!(
                    "the string '{shown}' is not a verdict: return {shown}, without quotes"
                ));
            }
            vm.error(format_args!("'{shown}' is not a verdict: {WANTED}"))
        }
        Tag::True => vm.error(format_args!("true is not a verdict: {WANTED}")),
        tag => {
            let name = match tag {
                Tag::Float => "a number",
                Tag::Table => "a table",
                Tag::Closure | Tag::Native => "a function",
                Tag::Thread => "a coroutine",
                Tag::Packet => "a packet",
                Tag::Addr4 | Tag::Addr6 => "an address",
                _ => "this value",
            };
            vm.error(format_args!("{name} is not a verdict: {WANTED}"))
        }
    }
}
