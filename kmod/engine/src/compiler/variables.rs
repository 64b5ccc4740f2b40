// SPDX-License-Identifier: GPL-2.0-only
//! Local variables and upvalues: what names mean where.

use super::diagnostic::Text;
use super::exp::{Exp, Kind, NOWHERE};
use super::scope::{Attribute, ClosedLocal, Func, OpenUpvalue, Var};
use super::{Compiler, Result, known};
use crate::bytecode::image::{Source, Upvalue};
use crate::bytecode::op::{Inst, Op};
use crate::number::Number;

/// Most local variables of a function.
const MAX_LOCALS: u32 = 200;
/// Most upvalues of a function.
const MAX_UPVALUES: u32 = 255;

/// Learnt of a variable: a closure captures it.
pub(super) const CAPTURED: u8 = 1;
/// Learnt of a variable: something assigns it after its declaration.
const ASSIGNED: u8 = 2;

impl Compiler<'_, '_> {
    /// The number of the next variable that the text declares.
    pub(super) fn declare(&mut self) -> Result<u32> {
        let ordinal = self.declared;
        self.declared = ordinal.wrapping_add(1);
        if self.dry {
            self.push(|c| c.learnt.push(&mut c.b.arena, 0))?;
        }
        Ok(ordinal)
    }

    pub(super) fn learnt_boxed(&self, ordinal: u32) -> bool {
        let boxes = if self.options.shared {
            CAPTURED
        } else {
            CAPTURED | ASSIGNED
        };
        !self.dry
            && self
                .learnt
                .at(ordinal as usize)
                .is_some_and(|learnt| learnt & boxes == boxes)
    }

    /// Whether nothing assigns the variable after its declaration; false while that is being learnt.
    pub(super) fn never_assigned(&self, ordinal: u32) -> bool {
        !self.dry
            && !self.options.shared
            && self
                .learnt
                .at(ordinal as usize)
                .is_some_and(|learnt| learnt & ASSIGNED == 0)
    }

    pub(super) fn learn(&mut self, ordinal: u32, what: u8) {
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

    pub(super) fn remove_vars(&mut self, active: u32) -> Result<()> {
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

    pub(super) fn add_upvalue_to_this(&mut self, up: OpenUpvalue) -> Result<OpenUpvalue> {
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
