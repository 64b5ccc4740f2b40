// SPDX-License-Identifier: GPL-2.0-only
//! Functions and blocks.

use super::exp::{Kind, NOWHERE};
use super::variables::CAPTURED;
use super::{Compiler, Result};
use crate::bytecode::image::{Proto, Source, Upvalue};
use crate::bytecode::op::{Inst, Op};
use crate::number::Number;

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
    // --- Functions -------------------------------------------------------------------------------

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
            code: self.code_len,
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
        if self.dry {
            self.code.truncate(0);
        } else {
            self.code.truncate(f.code as usize);
        }
        self.code_len = f.code;
        if let Some(outer) = self.funcs.pop() {
            self.f = outer;
        }
        Ok(f.proto)
    }

    // --- Blocks ----------------------------------------------------------------------------------

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
}
