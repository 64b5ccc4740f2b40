// SPDX-License-Identifier: GPL-2.0-only
//! Functions, blocks, variables, labels: what names mean where.

use super::diagnostic::Text;
use super::exp::{Exp, Kind, NOWHERE};
use super::{Compiler, Result, known};
use crate::bytecode::image::{Proto, Source, Upvalue};
use crate::bytecode::op::{Inst, Op};
use crate::number::Number;

/// Most local variables of a function.
const MAX_LOCALS: u32 = 200;
/// Most upvalues of a function.
const MAX_UPVALUES: u32 = 255;

/// Learnt of a variable: a closure captures it.
const CAPTURED: u8 = 1;
/// Learnt of a variable: something assigns it after its declaration.
const ASSIGNED: u8 = 2;

/// A function that is being compiled.
#[derive(Clone, Copy)]
pub(super) struct Func {
    /// Its number.
    pub proto: u32,
    /// Its first instruction among the open ones.
    pub code: u32,
    /// Its first variable.
    pub first_var: u32,
    /// How many variables are declared and active, its own and those of the functions around it.
    pub active: u32,
    /// Its first closed local.
    pub closed: u32,
    /// How many blocks are open around its body.
    pub blocks: u32,
    /// Its upvalues: first and last of a list, and their number.
    pub up_first: u32,
    pub up_last: u32,
    pub up_count: u32,
    /// First free register.
    pub free: u16,
    /// Registers it needs.
    pub size: u16,
    pub params: u8,
    pub vararg: bool,
    /// The last instruction that something may jump to: code before it must not be touched.
    pub last_target: u32,
    /// The last `GetField` and the name of its field.
    pub last_field: (u32, u32),
    pub first_line: u32,
    pub name: u32,
}

impl Default for Func {
    fn default() -> Self {
        Self {
            proto: 0,
            code: 0,
            first_var: 0,
            active: 0,
            closed: 0,
            blocks: 0,
            up_first: NOWHERE,
            up_last: NOWHERE,
            up_count: 0,
            free: 0,
            size: 2,
            params: 0,
            vararg: false,
            last_target: 0,
            last_field: (NOWHERE, 0),
            first_line: 0,
            name: NOWHERE,
        }
    }
}

/// How a variable was declared.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Attribute {
    Regular,
    Const,
    Close,
    /// `<const>` with a value that is known while compiling: it has no register.
    Known(Kind),
}

/// A local variable.
#[derive(Clone, Copy)]
pub(super) struct Var {
    pub name: u32,
    pub attribute: Attribute,
    pub register: u8,
    /// Whether its register holds a box.
    pub boxed: bool,
    /// Its number among all that the text declares.
    pub ordinal: u32,
    /// Where it becomes active.
    pub start: u32,
    /// A local function whose body is being compiled: inside, it is the closure itself.
    pub defining: bool,
    /// Hidden from messages.
    pub hidden: bool,
    /// The number that it always holds: it was given one, and nothing assigns it.
    pub number: Option<Number>,
}

/// A local variable that is no more, for messages.
#[derive(Clone, Copy)]
pub(super) struct ClosedLocal {
    pub name: u32,
    pub start: u32,
    pub end: u32,
    pub register: u8,
}

/// An upvalue of a function that is being compiled.
#[derive(Clone, Copy)]
pub(super) struct OpenUpvalue {
    pub name: u32,
    pub upvalue: Upvalue,
    pub index: u8,
    pub read_only: bool,
    pub ordinal: u32,
    /// The number that it always holds.
    pub number: Option<Number>,
    pub next: u32,
}

/// A block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub first_label: u32,
    pub first_goto: u32,
    /// Active variables around it.
    pub active: u32,
    pub is_loop: bool,
    /// It has a to-be-closed variable.
    pub closes: bool,
    /// It or a block around it in its function has.
    pub inside_close: bool,
}

/// A label.
#[derive(Clone, Copy)]
pub(super) struct Label {
    pub name: u32,
    pub pc: u32,
    pub line: u32,
    pub active: u32,
}

/// A goto whose label is yet to come.
#[derive(Clone, Copy)]
pub(super) struct Goto {
    pub name: u32,
    pub pc: u32,
    pub line: u32,
    pub active: u32,
    /// It leaves the scope of a to-be-closed variable.
    pub closes: bool,
}

impl Compiler<'_, '_> {
    // --- Functions -----------------------------------------------------------------------------

    /// Begins a function inside the one at hand.
    pub(super) fn open_function(&mut self, line: u32, name: u32) -> Result<()> {
        let outer = self.f;
        self.push(|c| c.funcs.push(&mut c.b.arena, outer))?;
        self.begin_function(line, name)
    }

    /// Begins a function; the one around it, if any, was saved.
    fn begin_function(&mut self, line: u32, name: u32) -> Result<()> {
        let proto = if self.dry {
            0
        } else {
            self.push(|c| c.b.add_proto())?
        };
        self.f = Func {
            proto,
            code: self.code.len() as u32,
            first_var: self.vars.len() as u32,
            active: self.vars.len() as u32,
            closed: self.closed.len() as u32,
            blocks: self.blocks.len() as u32,
            first_line: line,
            name,
            ..Func::default()
        };
        self.enter_block(false)
    }

    /// A whole text: a function of any arguments whose upvalue is `_ENV`.
    pub(super) fn main_function(&mut self) -> Result<u32> {
        self.vars.truncate(0);
        self.closed.truncate(0);
        self.blocks.truncate(0);
        self.labels.truncate(0);
        self.gotos.truncate(0);
        self.funcs.truncate(0);
        self.begin_function(0, NOWHERE)?;
        let proto = self.f.proto;
        self.f.vararg = true;
        let ordinal = self.declare()?;
        self.learn(ordinal, CAPTURED);
        let boxed = self.learnt_boxed(ordinal);
        self.add_upvalue_to_this(OpenUpvalue {
            name: self.env_name,
            upvalue: Upvalue {
                source: Source::Register,
                index: 0,
                boxed,
                name: self.env_name,
            },
            index: 0,
            read_only: false,
            ordinal,
            number: None,
            next: NOWHERE,
        })?;
        self.parse_text()?;
        Ok(proto)
    }

    /// Ends the function at hand: lays it out, goes back to the one around it, and answers its
    /// number.
    pub(super) fn close_function(&mut self, last_line: u32) -> Result<u32> {
        self.return_values(0, 0)?;
        self.leave_block()?;
        let f = self.f;
        if self.dry {
            self.closed.truncate(f.closed as usize);
        } else {
            let chunk = self.chunk;
            let parent = self.funcs.last_mut().map_or(NOWHERE, |outer| outer.proto);
            let (code, upvalues, lines, locals) = self.push(|c| c.b.marks())?;
            let mut at = f.up_first;
            while let Some(up) = self.ups.at(at as usize) {
                self.push(|c| c.b.upvalue(up.upvalue))?;
                at = up.next;
            }
            let laid = self.lay_out()?;
            self.push(|c| {
                c.b.set_proto(
                    f.proto,
                    Proto {
                        code,
                        code_len: laid.code_len,
                        params: f.params,
                        vararg: f.vararg,
                        registers: f.size,
                        fuel: laid.fuel,
                        upvalues,
                        upvalue_count: f.up_count,
                        lines,
                        line_count: laid.lines,
                        locals,
                        local_count: laid.locals,
                        first_line: f.first_line,
                        last_line,
                        chunk,
                        parent,
                        name: f.name,
                    },
                );
                Ok(())
            })?;
        }
        if let Some(last) = self.ups.as_mut_slice().get_mut(f.up_last as usize) {
            last.next = self.free_up;
            self.free_up = f.up_first;
        }
        self.code.truncate(f.code as usize);
        if let Some(outer) = self.funcs.pop() {
            self.f = outer;
        }
        Ok(f.proto)
    }

    // --- Blocks --------------------------------------------------------------------------------

    pub(super) fn enter_block(&mut self, is_loop: bool) -> Result<()> {
        let outermost = self.blocks.len() as u32 == self.f.blocks;
        let inside_close = !outermost
            && self
                .blocks
                .last_mut()
                .is_some_and(|block| block.inside_close);
        let block = Block {
            first_label: self.labels.len() as u32,
            first_goto: self.gotos.len() as u32,
            active: self.f.active,
            is_loop,
            closes: false,
            inside_close,
        };
        self.push(|c| c.blocks.push(&mut c.b.arena, block))
    }

    pub(super) fn leave_block(&mut self) -> Result<()> {
        let Some(block) = self.blocks.last_mut().copied() else {
            return Ok(());
        };
        let outermost = (self.blocks.len() as u32).wrapping_sub(1) == self.f.blocks;
        let level = self.registers_of(block.active);
        self.remove_vars(block.active)?;
        let mut closed = false;
        if block.is_loop {
            closed = self.create_label(self.break_name, 0, false)?;
        }
        if !closed && !outermost && block.closes {
            self.emit(Inst::abc(Op::Close, level as u8, 0, 0))?;
        }
        self.f.free = level;
        self.labels.truncate(block.first_label as usize);
        let _ = self.blocks.pop();
        let gotos = self.gotos.as_mut_slice();
        let pending = gotos
            .get_mut(block.first_goto as usize..)
            .unwrap_or(&mut []);
        if outermost {
            if let Some(goto) = pending.first().copied() {
                return self.undefined_label(goto);
            }
        } else {
            for goto in pending {
                goto.closes |= block.closes && goto.active > block.active;
                goto.active = goto.active.min(block.active);
            }
        }
        Ok(())
    }

    /// Whether a to-be-closed variable may be open here.
    pub(super) fn inside_close(&mut self) -> bool {
        self.blocks
            .last_mut()
            .is_some_and(|block| block.inside_close)
    }

    /// The block at hand has a to-be-closed variable.
    pub(super) fn mark_closes(&mut self) {
        if let Some(block) = self.blocks.last_mut() {
            block.closes = true;
            block.inside_close = true;
        }
    }

    // --- Labels --------------------------------------------------------------------------------

    /// A forward goto.
    pub(super) fn add_goto(&mut self, name: u32, line: u32) -> Result<()> {
        let pc = self.jump()?;
        let goto = Goto {
            name,
            pc,
            line,
            active: self.f.active,
            closes: false,
        };
        self.push(|c| c.gotos.push(&mut c.b.arena, goto))
    }

    /// A visible label of the function at hand.
    pub(super) fn find_label(&mut self, name: u32) -> Option<Label> {
        let first = self.blocks.at(self.f.blocks as usize)?.first_label as usize;
        let labels = self.labels.as_slice().get(first..)?;
        labels.iter().find(|label| label.name == name).copied()
    }

    /// Puts a label here; answers whether that took a `Close`. `last`: nothing but the block's end
    /// follows, so that its variables are out of scope.
    pub(super) fn create_label(&mut self, name: u32, line: u32, last: bool) -> Result<bool> {
        let Some(block) = self.blocks.last_mut().copied() else {
            return Ok(false);
        };
        let pc = self.label_here();
        let active = if last { block.active } else { self.f.active };
        let label = Label {
            name,
            pc,
            line,
            active,
        };
        self.push(|c| c.labels.push(&mut c.b.arena, label))?;
        let mut closes = false;
        // Gotos that came for this label go; the others move together.
        let first = block.first_goto as usize;
        let mut keep = first;
        for i in first..self.gotos.len() {
            let Some(goto) = self.gotos.at(i) else {
                break;
            };
            if goto.name == name {
                if goto.active < active {
                    return self.jumps_into_scope(goto);
                }
                closes |= goto.closes;
                self.patch(goto.pc, pc);
            } else {
                if let Some(slot) = self.gotos.as_mut_slice().get_mut(keep) {
                    *slot = goto;
                }
                keep = keep.wrapping_add(1);
            }
        }
        self.gotos.truncate(keep);
        if closes {
            let level = self.registers_of(self.f.active);
            self.emit(Inst::abc(Op::Close, level as u8, 0, 0))?;
        }
        Ok(closes)
    }

    fn jumps_into_scope<T>(&mut self, goto: Goto) -> Result<T> {
        let local = self
            .vars
            .at(goto.active as usize)
            .map_or(self.break_name, |var| var.name);
        let fault = self.diagnose(&[
            Text::Str("<goto "),
            Text::Bytes(self.b.text(goto.name)),
            Text::Str("> at line "),
            Text::Number(goto.line),
            Text::Str(" jumps into the scope of local '"),
            Text::Bytes(self.b.text(local)),
            Text::Str("'"),
        ]);
        self.raise(fault)
    }

    fn undefined_label<T>(&mut self, goto: Goto) -> Result<T> {
        if goto.name == self.break_name {
            return self.fail(&[
                Text::Str("break outside loop at line "),
                Text::Number(goto.line),
            ]);
        }
        let fault = self.diagnose(&[
            Text::Str("no visible label '"),
            Text::Bytes(self.b.text(goto.name)),
            Text::Str("' for <goto> at line "),
            Text::Number(goto.line),
        ]);
        self.raise(fault)
    }

    // --- Variables -----------------------------------------------------------------------------

    /// The number of the next variable that the text declares.
    fn declare(&mut self) -> Result<u32> {
        let ordinal = self.declared;
        self.declared = ordinal.wrapping_add(1);
        if self.dry {
            self.push(|c| c.learnt.push(&mut c.b.arena, 0))?;
        }
        Ok(ordinal)
    }

    fn learnt_boxed(&self, ordinal: u32) -> bool {
        !self.dry && self.learnt.at(ordinal as usize) == Some(CAPTURED | ASSIGNED)
    }

    /// Whether nothing assigns the variable after its declaration; false while that is being learnt.
    pub(super) fn never_assigned(&self, ordinal: u32) -> bool {
        !self.dry
            && self
                .learnt
                .at(ordinal as usize)
                .is_some_and(|learnt| learnt & ASSIGNED == 0)
    }

    fn learn(&mut self, ordinal: u32, what: u8) {
        if let Some(learnt) = self.learnt.as_mut_slice().get_mut(ordinal as usize) {
            *learnt |= what;
        }
    }

    /// Declares a local variable, which is not active yet; answers its number.
    pub(super) fn new_var(&mut self, name: u32, hidden: bool) -> Result<u32> {
        let index = self.vars.len() as u32;
        if index.wrapping_sub(self.f.first_var) >= MAX_LOCALS {
            return self.limit("local variables", MAX_LOCALS);
        }
        let ordinal = self.declare()?;
        let boxed = self.learnt_boxed(ordinal);
        let var = Var {
            name,
            attribute: Attribute::Regular,
            register: 0,
            boxed,
            ordinal,
            start: 0,
            defining: false,
            hidden,
            number: None,
        };
        self.push(|c| c.vars.push(&mut c.b.arena, var))?;
        Ok(index)
    }

    pub(super) fn var_mut(&mut self, index: u32) -> Option<&mut Var> {
        self.vars.as_mut_slice().get_mut(index as usize)
    }

    /// Makes the next `count` declared variables active, in the registers that follow.
    pub(super) fn activate(&mut self, count: u32) {
        let start = self.pc();
        let mut register = self.registers_of(self.f.active);
        for _ in 0..count {
            let index = self.f.active;
            self.f.active = index.wrapping_add(1);
            if let Some(var) = self.var_mut(index) {
                var.register = register as u8;
                var.start = start;
            }
            register = register.wrapping_add(1);
        }
    }

    /// Puts those of the last `count` active variables that must live in boxes there.
    pub(super) fn box_vars(&mut self, count: u32) -> Result<()> {
        for index in self.f.active.wrapping_sub(count)..self.f.active {
            if let Some(var) = self.vars.at(index as usize)
                && var.boxed
            {
                self.emit(Inst::abc(Op::NewBox, var.register, 0, 0))?;
            }
        }
        Ok(())
    }

    /// Registers of the first `active` variables that belong to the function at hand.
    pub(super) fn registers_of(&self, active: u32) -> u16 {
        let own = self
            .vars
            .as_slice()
            .get(self.f.first_var as usize..active as usize);
        own.unwrap_or(&[])
            .iter()
            .rev()
            .find(|var| !matches!(var.attribute, Attribute::Known(_)))
            .map_or(0, |var| u16::from(var.register).wrapping_add(1))
    }

    /// Registers of active variables.
    pub(super) fn var_registers(&self) -> u16 {
        self.registers_of(self.f.active)
    }

    fn remove_vars(&mut self, active: u32) -> Result<()> {
        let end = self.pc();
        for index in active..self.f.active {
            if let Some(var) = self.vars.at(index as usize)
                && !var.hidden
                && !matches!(var.attribute, Attribute::Known(_))
            {
                let closed = ClosedLocal {
                    name: var.name,
                    start: var.start,
                    end,
                    register: var.register,
                };
                self.push(|c| c.closed.push(&mut c.b.arena, closed))?;
            }
        }
        self.f.active = active;
        self.vars.truncate(active as usize);
        Ok(())
    }

    /// The variable of that name among those of the function at hand or of the one at `depth`.
    fn find_var(&self, f: &Func, name: u32) -> Option<(u32, Var)> {
        let own = self
            .vars
            .as_slice()
            .get(f.first_var as usize..f.active as usize)?;
        let place = own.iter().rposition(|var| var.name == name)?;
        Some((f.first_var.wrapping_add(place as u32), *own.get(place)?))
    }

    fn find_upvalue(&self, f: &Func, name: u32) -> Option<OpenUpvalue> {
        let mut at = f.up_first;
        while let Some(up) = self.ups.at(at as usize) {
            if up.name == name {
                return Some(up);
            }
            at = up.next;
        }
        None
    }

    fn add_upvalue_to_this(&mut self, up: OpenUpvalue) -> Result<OpenUpvalue> {
        if self.f.up_count >= MAX_UPVALUES {
            return self.limit("upvalues", MAX_UPVALUES);
        }
        let up = OpenUpvalue {
            index: self.f.up_count as u8,
            next: NOWHERE,
            ..up
        };
        let at = if let Some(free) = self.ups.at(self.free_up as usize) {
            let at = self.free_up;
            self.free_up = free.next;
            if let Some(slot) = self.ups.as_mut_slice().get_mut(at as usize) {
                *slot = up;
            }
            at
        } else {
            self.push(|c| c.ups.push(&mut c.b.arena, up))?;
            (self.ups.len() as u32).wrapping_sub(1)
        };
        match self.ups.as_mut_slice().get_mut(self.f.up_last as usize) {
            Some(last) => last.next = at,
            None => self.f.up_first = at,
        }
        self.f.up_last = at;
        self.f.up_count = self.f.up_count.wrapping_add(1);
        Ok(up)
    }

    /// What a name means: a local variable, an upvalue, or a field of `_ENV`.
    pub(super) fn resolve(&mut self, name: u32) -> Result<Exp> {
        if let Some(exp) = self.resolve_variable(name)? {
            return Ok(exp);
        }
        let Some(mut env) = self.resolve_variable(self.env_name)? else {
            return Ok(Exp::new(Kind::Nil));
        };
        if self.options.packet
            && let Kind::Up(_) = env.kind
            && let Some(verdict) = known::verdict(self.b.text(name))
        {
            return Ok(Exp::new(Kind::Verdict(verdict)));
        }
        self.put_table(&mut env)?;
        self.indexed(&mut env, &Exp::new(Kind::Str(name)))?;
        Ok(env)
    }

    /// The local variable or upvalue of that name.
    fn resolve_variable(&mut self, name: u32) -> Result<Option<Exp>> {
        if let Some((index, var)) = self.find_var(&self.f, name) {
            return Ok(Some(Exp::new(match var.attribute {
                Attribute::Known(_) => Kind::Known(index),
                _ if var.boxed => Kind::Boxed(var.register, index),
                _ => Kind::Local(var.register, index),
            })));
        }
        if let Some(up) = self.find_upvalue(&self.f, name) {
            return Ok(Some(up_exp(&up)));
        }
        // Outwards to the function that has it …
        let mut depth = self.funcs.len();
        let mut found = None;
        while let Some(outer) = depth.checked_sub(1) {
            depth = outer;
            let Some(f) = self.funcs.at(depth) else {
                break;
            };
            if let Some((index, var)) = self.find_var(&f, name) {
                if let Attribute::Known(_) = var.attribute {
                    return Ok(Some(Exp::new(Kind::Known(index))));
                }
                self.learn(var.ordinal, CAPTURED);
                let itself = var.defining && !var.boxed;
                found = Some(OpenUpvalue {
                    name,
                    upvalue: Upvalue {
                        source: if itself {
                            Source::Itself
                        } else {
                            Source::Register
                        },
                        index: if itself { 0 } else { var.register },
                        boxed: var.boxed,
                        name,
                    },
                    index: 0,
                    read_only: matches!(var.attribute, Attribute::Const | Attribute::Close),
                    ordinal: var.ordinal,
                    number: var.number,
                    next: NOWHERE,
                });
                break;
            }
            if let Some(up) = self.find_upvalue(&f, name) {
                self.learn(up.ordinal, CAPTURED);
                found = Some(through(&up));
                break;
            }
        }
        let Some(mut up) = found else {
            return Ok(None);
        };
        // … and back inwards, an upvalue for each function on the way.
        loop {
            depth = depth.wrapping_add(1);
            let inner = self.funcs.at(depth);
            if let Some(inner) = inner {
                let this = core::mem::replace(&mut self.f, inner);
                let added = self.add_upvalue_to_this(up);
                if let Some(slot) = self.funcs.as_mut_slice().get_mut(depth) {
                    *slot = self.f;
                }
                self.f = this;
                up = through(&added?);
            } else {
                return Ok(Some(up_exp(&self.add_upvalue_to_this(up)?)));
            }
        }
    }

    /// An upvalue of the function at hand.
    fn upvalue(&self, index: u8) -> Option<OpenUpvalue> {
        let mut at = self.f.up_first;
        while let Some(up) = self.ups.at(at as usize) {
            if up.index == index {
                return Some(up);
            }
            at = up.next;
        }
        None
    }

    /// A variable that always holds the same number becomes that number. Only for operands of
    /// arithmetic and comparisons: elsewhere messages would miss its name.
    pub(super) fn known_number(&self, e: &mut Exp) {
        let number = match e.kind {
            Kind::Local(_, index) => self.vars.at(index as usize).and_then(|var| var.number),
            Kind::Up(index) => self.upvalue(index).and_then(|up| up.number),
            _ => None,
        };
        match number {
            Some(Number::Int(i)) => e.kind = Kind::Int(i),
            Some(Number::Float(f)) => e.kind = Kind::Float(f),
            None => {}
        }
    }

    /// A variable is about to be assigned.
    pub(super) fn check_assignable(&mut self, exp: &Exp) -> Result<()> {
        let (name, read_only, ordinal) = match exp.kind {
            Kind::Local(_, index) | Kind::Boxed(_, index) | Kind::Known(index) => {
                let Some(var) = self.vars.at(index as usize) else {
                    return Ok(());
                };
                let read_only = !matches!(var.attribute, Attribute::Regular);
                (var.name, read_only, var.ordinal)
            }
            Kind::Up(index) | Kind::UpBox(index) => {
                let Some(up) = self.upvalue(index) else {
                    return Ok(());
                };
                (up.name, up.read_only, up.ordinal)
            }
            _ => return Ok(()),
        };
        if read_only {
            return self.fail_const(name);
        }
        self.learn(ordinal, ASSIGNED);
        Ok(())
    }

    /// "attempt to assign to const variable".
    pub(super) fn fail_const<T>(&mut self, name: u32) -> Result<T> {
        let fault = self.diagnose(&[
            Text::Str("attempt to assign to const variable '"),
            Text::Bytes(self.b.text(name)),
            Text::Str("'"),
        ]);
        self.raise(fault)
    }

    /// "too many … (limit is …) in …".
    pub(super) fn limit<T>(&mut self, what: &'static str, limit: u32) -> Result<T> {
        let line = self.f.first_line;
        let place = if line == 0 {
            "main function"
        } else {
            "function at line "
        };
        let mut message = [
            Text::Str("too many "),
            Text::Str(what),
            Text::Str(" (limit is "),
            Text::Number(limit),
            Text::Str(") in "),
            Text::Str(place),
            Text::Str(""),
        ];
        if line != 0
            && let Some(last) = message.last_mut()
        {
            *last = Text::Number(line);
        }
        self.fail_near(&message)
    }
}

const fn up_exp(up: &OpenUpvalue) -> Exp {
    Exp::new(if up.upvalue.boxed {
        Kind::UpBox(up.index)
    } else {
        Kind::Up(up.index)
    })
}

/// The upvalue as the next function inwards sees it.
const fn through(up: &OpenUpvalue) -> OpenUpvalue {
    OpenUpvalue {
        upvalue: Upvalue {
            source: Source::Upvalue,
            index: up.index,
            ..up.upvalue
        },
        ..*up
    }
}
