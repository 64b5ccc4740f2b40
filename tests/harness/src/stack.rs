// SPDX-License-Identifier: GPL-2.0-only
//! How much of the kernel's stack the engine's object uses: function by function, and at the end of the
//! longest chain of calls that a packet may lead to. A stack is 16 KiB, and whoever calls the module has
//! used a part of it.
//!
//! Read from the object's code. What is called by address is taken for every function of its kind whose
//! address is in the object: formatting calls what formats, the machine what tables of data name (native
//! functions), others what code names (functions that take functions). `ps_contain` calls the inside of
//! a way in: for packets' timers that is looked at as such. Only formatting may call itself (a message within a message), and not deeper than
//! [`NESTED`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::command::output;

/// Bytes that a function on a packet's way may use, its saved registers and return address included.
const PACKET_FRAME: u64 = 512;
/// Bytes that any other may use.
const FRAME: u64 = 1024;
/// Bytes that a whole chain may use: `PS_RUN_STACK`.
fn chain_limit() -> Result<u64> {
    include_str!("../../../kmod/engine.h")
        .lines()
        .find_map(|line| line.strip_prefix("#define PS_RUN_STACK "))
        .and_then(|bytes| bytes.trim().parse().ok())
        .context("engine.h has no PS_RUN_STACK")
}
/// Messages within messages.
const NESTED: u64 = 2;
/// Functions that are listed.
const LISTED: usize = 12;

#[derive(Default)]
struct Function {
    name: String,
    saved: BTreeSet<String>,
    arguments: u64,
    locals: u64,
    calls: BTreeSet<u64>,
    indirect: bool,
}

impl Function {
    /// Bytes of stack, the return address included.
    fn frame(&self) -> u64 {
        8 + 8 * self.saved.len() as u64 + 8 * self.arguments + self.locals
    }

    /// What it calls by address, and who calls it so.
    fn kind(&self) -> Kind {
        let has = |words: &[&str]| words.iter().any(|word| self.name.contains(word));
        if has(&["fmt", "write_str", "write_char"]) {
            Kind::Formatting
        } else if has(&["ps_contain", "contain::contained::run"]) {
            Kind::WayIn
        } else if has(&["vm::Vm>::"]) {
            Kind::Machine
        } else {
            Kind::Other
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Formatting,
    WayIn,
    Machine,
    Other,
}

/// The functions of an object by their addresses.
#[derive(Default)]
struct Object {
    functions: BTreeMap<u64, Function>,
    /// Functions whose address is in code.
    in_code: BTreeSet<u64>,
    /// Functions whose address is in data.
    in_data: BTreeSet<u64>,
}

/// Checks an object; the answer is a table for people.
pub fn check(object: &Path) -> Result<String> {
    let mut dump = Command::new("objdump");
    dump.args(["-dr", "--no-show-raw-insn"]).arg(object);
    let code = String::from_utf8(output(&mut dump)?)?;
    let mut dump = Command::new("objdump");
    dump.args(["-r", "-j", ".rodata"]).arg(object);
    let data = String::from_utf8(output(&mut dump)?)?;
    Object::read(&code, &data).judge()
}

impl Object {
    fn read(code: &str, data: &str) -> Self {
        let mut object = Self::default();
        let names: BTreeMap<&str, u64> = code.lines().filter_map(heading).map(swap).collect();
        let mut at = 0;
        let mut instruction = "";
        for line in code.lines() {
            if let Some((start, name)) = heading(line) {
                at = start;
                let name = format!("{:#}", rustc_demangle::demangle(name));
                object.functions.insert(
                    at,
                    Function {
                        name,
                        ..Function::default()
                    },
                );
                continue;
            }
            let Some(function) = object.functions.get_mut(&at) else {
                continue;
            };
            if let Some((_, relocation)) = line.split_once("R_X86_64_") {
                let Some(to) = target(relocation, &names) else {
                    function.indirect |= relocation.contains("__x86_indirect_thunk");
                    continue;
                };
                let (operation, _) = instruction.split_once(' ').unwrap_or((instruction, ""));
                if operation == "call" || operation.starts_with('j') {
                    function.calls.insert(to);
                } else {
                    object.in_code.insert(to);
                }
            } else if let Some((_, text)) = line.split_once(":\t") {
                instruction = text;
                function.step(text);
            }
        }
        let addresses = data
            .lines()
            .filter_map(|line| line.split_once("R_X86_64_64"));
        object
            .in_data
            .extend(addresses.filter_map(|(_, to)| target(&format!("64{to}"), &names)));
        // Jumps into the midst of functions are loops; addresses that begin none are data.
        let starts: BTreeSet<u64> = object.functions.keys().copied().collect();
        object.in_code.retain(|to| starts.contains(to));
        object.in_data.retain(|to| starts.contains(to));
        for function in object.functions.values_mut() {
            function.calls.retain(|to| starts.contains(to));
        }
        object
    }

    /// What a function may call.
    fn callees(&self, at: u64) -> Vec<u64> {
        let Some(function) = self.functions.get(&at) else {
            return Vec::new();
        };
        let mut callees: Vec<u64> = function.calls.iter().copied().collect();
        if function.indirect {
            let kind = function.kind();
            let from: Vec<&u64> = match kind {
                Kind::Machine => self.in_data.iter().collect(),
                Kind::Other => self.in_code.iter().collect(),
                Kind::Formatting => self.in_code.iter().chain(&self.in_data).collect(),
                Kind::WayIn => Vec::new(),
            };
            let fits = |to: &&&u64| match self.functions.get(to).map(Function::kind) {
                Some(Kind::Formatting) => kind == Kind::Formatting,
                Some(Kind::Machine | Kind::Other) => kind != Kind::Formatting,
                Some(Kind::WayIn) | None => false,
            };
            callees.extend(from.iter().filter(fits).copied());
        }
        callees
    }

    fn judge(&self) -> Result<String> {
        let roots: Vec<u64> = self
            .functions
            .iter()
            .filter(|(_, f)| f.name == "ps_run" || f.name.contains("ps_timer"))
            .map(|(at, _)| *at)
            .collect();
        ensure!(!roots.is_empty(), "the object has no ps_run");
        let mut walk = Walk {
            object: self,
            depth: BTreeMap::new(),
            path: Vec::new(),
            odd: Vec::new(),
        };
        let deepest = roots
            .iter()
            .map(|&root| walk.depth_of(root))
            .max()
            .unwrap_or(0);
        let (reached, odd) = (walk.depth, walk.odd);

        let mut text =
            format!("{deepest} bytes of stack at the end of the longest chain from a packet:\n");
        let mut at = roots
            .iter()
            .copied()
            .max_by_key(|root| reached.get(root).copied());
        while let Some(here) = at {
            let Some(function) = self.functions.get(&here) else {
                break;
            };
            let _ = writeln!(text, "{:>8}  {}", function.frame(), function.name);
            let rest = reached.get(&here).copied().unwrap_or(0);
            at = self
                .callees(here)
                .into_iter()
                .filter(|to| reached.get(to).is_some_and(|&below| below < rest))
                .max_by_key(|to| reached.get(to).copied());
        }
        let mut frames: Vec<(u64, bool, &str)> = self
            .functions
            .iter()
            .map(|(at, f)| (f.frame(), reached.contains_key(at), f.name.as_str()))
            .collect();
        frames.sort_unstable_by(|a, b| b.cmp(a));
        text += "largest frames (packet: a packet may get there):\n";
        for (frame, packet, name) in frames.iter().take(LISTED) {
            let mark = if *packet { "packet" } else { "" };
            let _ = writeln!(text, "{frame:>8}  {mark:<6}  {name}");
        }
        let over: Vec<_> = frames
            .iter()
            .filter(|(frame, packet, _)| *frame >= if *packet { PACKET_FRAME } else { FRAME })
            .map(|(_, _, name)| *name)
            .collect();
        if !over.is_empty() {
            bail!("{text}too large a frame: {}", over.join(", "));
        }
        if !odd.is_empty() {
            bail!("{text}may call itself: {}", odd.join(", "));
        }
        let limit = chain_limit()?;
        ensure!(
            deepest <= limit,
            "{text}the chain is longer than the {limit} bytes of PS_RUN_STACK"
        );
        Ok(text)
    }
}

/// The depth of every function that is reached.
struct Walk<'o> {
    object: &'o Object,
    depth: BTreeMap<u64, u64>,
    path: Vec<u64>,
    /// Cycles that no formatting is.
    odd: Vec<String>,
}

impl Walk<'_> {
    /// Bytes from a function down. One that formats and is on its way already counts as nested.
    fn depth_of(&mut self, at: u64) -> u64 {
        if let Some(&known) = self.depth.get(&at) {
            return known;
        }
        let Some(function) = self.object.functions.get(&at) else {
            return 0;
        };
        if let Some(first) = self.path.iter().position(|&on| on == at) {
            let cycle = self.path.get(first..).unwrap_or(&[]);
            let functions = || cycle.iter().filter_map(|on| self.object.functions.get(on));
            if functions().any(|f| f.kind() == Kind::Formatting) {
                return functions().map(Function::frame).sum::<u64>() * (NESTED - 1);
            }
            let names: Vec<_> = functions().map(|f| f.name.clone()).collect();
            self.odd.push(names.join(" -> "));
            return 0;
        }
        self.path.push(at);
        let below = self
            .object
            .callees(at)
            .into_iter()
            .map(|to| self.depth_of(to))
            .max()
            .unwrap_or(0);
        self.path.pop();
        let depth = function.frame() + below;
        self.depth.insert(at, depth);
        depth
    }
}

impl Function {
    /// Learns from an instruction.
    fn step(&mut self, text: &str) {
        let mut words = text.split_whitespace();
        let (operation, operands) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        match operation {
            // A register is saved once; anything else that is pushed is an argument.
            "push" if operands.starts_with('%') => {
                self.saved.insert(operands.to_owned());
            }
            "push" | "pushq" => self.arguments += 1,
            "sub" | "add" => {
                let Some(number) = operands
                    .strip_suffix(",%rsp")
                    .and_then(|text| text.strip_prefix("$0x"))
                    .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                else {
                    return;
                };
                let size = if operation == "sub" {
                    number
                } else {
                    number.wrapping_neg()
                };
                // What an addition gives back is a huge size here.
                if size < 1 << 31 {
                    self.locals = self.locals.max(size);
                }
            }
            _ => {}
        }
    }
}

/// `0000000000000050 <name>:`
fn heading(line: &str) -> Option<(u64, &str)> {
    let (address, name) = line.strip_suffix(">:")?.split_once(" <")?;
    Some((u64::from_str_radix(address, 16).ok()?, name))
}

fn swap<A, B>((a, b): (A, B)) -> (B, A) {
    (b, a)
}

/// The address behind `PLT32\t.text+0x4f` or `PC32\tps_run_inside-0x4`.
fn target(relocation: &str, names: &BTreeMap<&str, u64>) -> Option<u64> {
    let (kind, place) = relocation.split_once(char::is_whitespace)?;
    let place = place.trim();
    // Distances are counted from behind the instruction's last four bytes.
    let behind = if kind.starts_with('P') { 4 } else { 0 };
    if let Some(offset) = place.strip_prefix(".text+0x") {
        return Some(u64::from_str_radix(offset, 16).ok()? + behind);
    }
    if let Some(before) = place.strip_prefix(".text-0x") {
        return behind.checked_sub(u64::from_str_radix(before, 16).ok()?);
    }
    let name = place.split(['-', '+']).next()?;
    names.get(name).copied()
}

#[cfg(test)]
mod tests {
    use super::Object;

    /// ps_run jumps to inside (0x18 + return address + two registers), which calls far (0x100).
    const CODE: &str = "
0000000000000000 <ps_run>:
       0:\tcmpl   $0x0,0x8(%rdi)
       4:\tjmp    9 <ps_run+0x9>
\t\t\t5: R_X86_64_PLT32\tinside-0x4
0000000000000010 <inside>:
      10:\tpush   %rbx
      12:\tpush   %r14
      14:\tsub    $0x18,%rsp
      18:\tcall   1d <inside+0xd>
\t\t\t19: R_X86_64_PLT32\t.text+0x2c
      1d:\tpop    %rbx
0000000000000030 <vm::Vm>::far>:
      30:\tadd    $0xffffffffffffff00,%rsp
      34:\tcall   39 <vm::Vm>::far+0x9>
\t\t\t35: R_X86_64_PLT32\t__x86_indirect_thunk_r11-0x4
      39:\tsub    $0xffffffffffffff00,%rsp
0000000000000040 <native>:
      40:\tret
";

    #[test]
    fn chains_are_added_up() {
        let object = Object::read(CODE, "0000000000000000 R_X86_64_64       .text+0x40\n");
        let text = object.judge().unwrap();
        assert!(text.starts_with("328 bytes"), "{text}");
        assert!(
            text.contains("48  inside") && text.contains("264  vm::Vm>::far"),
            "{text}"
        );
        assert!(text.contains("       8  packet  native"), "{text}");
    }

    #[test]
    fn large_frames_and_recursion_fail() {
        let large = CODE.replace("sub    $0x18,%rsp", "sub    $0x1f0,%rsp");
        let error = Object::read(&large, "").judge().unwrap_err().to_string();
        assert!(error.ends_with("too large a frame: inside"), "{error}");
        let circle = Object::read(CODE, "0 R_X86_64_64  .text+0x10\n");
        let error = circle.judge().unwrap_err().to_string();
        assert!(
            error.ends_with("may call itself: inside -> vm::Vm>::far"),
            "{error}"
        );
        assert!(Object::read("", "").judge().is_err());
    }
}
