// SPDX-License-Identifier: GPL-2.0-only
//! The loop over instructions.
//!
//! Only what is short is done here; the rest is in functions of the machine that the loop calls with
//! the frame's program counter saved. What the loop keeps in variables is good until such a call:
//! `pc`, `constants` and `upvalues` are read again after every one that may move a body, `base` changes
//! only with the frame, for the stack never moves.
//!
//! # What verified code promises
//!
//! Operands of instructions are registers below the frame's size, constants inside the pool and of the
//! kind that the operation says, upvalues below the function's number, jump targets inside the
//! function; the last instruction ends the function; "up to the top" follows what sets the top.

use super::call::Flow;
use super::error::{Bytes, Raise};
use super::names::Operand;
use super::native::ALL;
use super::operate::{compute, float_of, holds, int_of, value_of};
use super::{Event, Frame, FrameKind, TAIL, Vm};
use crate::bytecode::op::{Inst, Op};
use crate::memory::cell::{BoxCell, Header, Kind, ProtoCell};
use crate::number::arith;
use crate::value::{Tag, Value};

/// Every flag but the one that says nothing about returning.
const SPECIAL: u8 = !TAIL;

impl Vm {
    /// Runs the Lua function in the topmost frame, and those it calls, until something else is on top.
    #[allow(unused_unsafe, reason = "the macros are used inside and outside of unsafe blocks")]
    pub(crate) fn interpret(&mut self) -> Result<Flow, Raise> {
        let vm = self;
        let mut pc: *const Inst;
        let mut base: *mut Value;
        let mut constants: *const Value;
        let mut upvalues: *const Value;

        // SAFETY of all of the loop: what verified code promises (above), the invariant of `memory`,
        // and that `pc`, `constants` and `upvalues` are read again after whatever may move a body.
        macro_rules! enter_frame {
            () => {{
                let f = *vm.this();
                let (code, pool) = {
                    let p = vm.proto(f.proto);
                    (p.code, p.constants)
                };
                // SAFETY: see above.
                unsafe {
                    pc = code.add(f.pc as usize);
                    base = vm.slot(f.base);
                    constants = pool;
                    upvalues = vm.heap.upvalues((*vm.slot(f.func)).as_ref());
                    vm.heap.exec.constants = constants;
                    vm.heap.exec.upvalues = upvalues;
                }
            }};
        }
        macro_rules! save {
            () => {{
                vm.heap.exec.pc = pc;
                let code = vm.proto(vm.this().proto).code;
                // SAFETY: both point into the same code.
                vm.this_mut().pc = unsafe { pc.offset_from(code) } as u32;
            }};
        }
        macro_rules! reload {
            () => {{
                pc = vm.heap.exec.pc;
                constants = vm.heap.exec.constants;
                upvalues = vm.heap.exec.upvalues;
            }};
        }
        // What to do after a slow path that may have changed the frame.
        macro_rules! follow {
            ($call:expr) => {
                match $call? {
                    Flow::Next => reload!(),
                    Flow::Frame => {
                        if vm.this().kind != FrameKind::Lua {
                            return Ok(Flow::Frame);
                        }
                        enter_frame!();
                    }
                    Flow::Leave => return Ok(Flow::Leave),
                }
            };
        }
        macro_rules! slow {
            ($call:expr) => {{
                save!();
                follow!($call)
            }};
        }
        // A register, a constant.
        macro_rules! r {
            ($n:expr) => {
                // SAFETY: see above.
                *unsafe { &mut *base.add(usize::from($n)) }
            };
        }
        macro_rules! k {
            ($n:expr) => {
                // SAFETY: see above.
                *unsafe { &*constants.add($n as usize) }
            };
        }
        macro_rules! branch {
            ($i:expr, $cond:expr) => {
                if $cond {
                    // SAFETY: see above.
                    pc = unsafe { pc.add(usize::from($i.off())) };
                }
            };
        }
        macro_rules! burn {
            ($i:expr) => {
                vm.fuel -= i64::from($i.off());
                if vm.fuel < 0 {
                    save!();
                    return Err(vm.out_of_fuel());
                }
            };
        }
        macro_rules! arith {
            ($i:expr, $b:expr, $c:expr, $event:expr, $name:expr, $int:expr, $float:expr) => {{
                let (x, y) = ($b, $c);
                if x.tag == Tag::Int && y.tag == Tag::Int {
                    r!($i.a()) = Value::int($int(x.as_int(), y.as_int()));
                } else if x.tag == Tag::Float && y.tag == Tag::Float {
                    r!($i.a()) = Value::float($float(x.as_float(), y.as_float()));
                } else if let (Some(p), Some(q)) = (float_of(x), float_of(y)) {
                    r!($i.a()) = Value::float($float(p, q));
                } else {
                    slow!(vm.arith_slow($i, x, y, $event, $name));
                }
            }};
        }
        macro_rules! other {
            ($i:expr, $b:expr, $c:expr, $event:expr, $name:expr) => {{
                let (x, y) = ($b, $c);
                if let Some(v) = compute($event, x, y) {
                    r!($i.a()) = v;
                } else {
                    slow!(vm.arith_slow($i, x, y, $event, $name));
                }
            }};
        }
        macro_rules! bitwise {
            ($i:expr, $b:expr, $c:expr, $event:expr, $name:expr, $int:expr) => {{
                let (x, y) = ($b, $c);
                if x.tag == Tag::Int && y.tag == Tag::Int {
                    r!($i.a()) = Value::int($int(x.as_int(), y.as_int()));
                } else {
                    slow!(vm.arith_slow($i, x, y, $event, $name));
                }
            }};
        }
        macro_rules! compare_immediate {
            ($i:expr, $int:expr, $float:expr, $negated:expr, $event:expr, $swapped:expr) => {{
                let x = r!($i.a());
                let imm = $i.imm();
                if x.tag == Tag::Int {
                    branch!($i, $int(&x.as_int(), &i64::from(imm)) != $negated);
                } else if x.tag == Tag::Float {
                    branch!($i, $float(&x.as_float(), &f64::from(imm)) != $negated);
                } else {
                    let y = Value::int(i64::from(imm));
                    let (p, q) = if $swapped { (y, x) } else { (x, y) };
                    save!();
                    match vm.compare_slow(p, q, $event)? {
                        Ok(truth) => {
                            reload!();
                            branch!($i, truth != $negated);
                        }
                        Err(_) => follow!(vm.drive()),
                    }
                }
            }};
        }
        macro_rules! compare_registers {
            ($i:expr, $int:expr, $negated:expr, $event:expr) => {{
                let (x, y) = (r!($i.a()), r!($i.b()));
                if x.tag == Tag::Int && y.tag == Tag::Int {
                    branch!($i, $int(&x.as_int(), &y.as_int()) != $negated);
                } else if let Some(order) = vm.order(x, y) {
                    branch!($i, holds($event, order) != $negated);
                } else {
                    save!();
                    match vm.compare_slow(x, y, $event)? {
                        Ok(truth) => {
                            reload!();
                            branch!($i, truth != $negated);
                        }
                        Err(_) => follow!(vm.drive()),
                    }
                }
            }};
        }
        macro_rules! equal {
            ($i:expr, $x:expr, $y:expr, $negated:expr) => {{
                let (x, y) = ($x, $y);
                if vm.raw_equal(x, y) {
                    branch!($i, !$negated);
                } else if x.tag != y.tag || !matches!(x.tag, Tag::Table | Tag::Object) {
                    branch!($i, $negated);
                } else {
                    save!();
                    match vm.compare_slow(x, y, Event::Eq)? {
                        Ok(truth) => {
                            reload!();
                            branch!($i, truth != $negated);
                        }
                        Err(_) => follow!(vm.drive()),
                    }
                }
            }};
        }
        macro_rules! get_field {
            ($i:expr, $o:expr, $name:expr) => {{
                let o = $o;
                let key = k!($i.c());
                if o.tag == Tag::Table {
                    let t = vm.heap.table(o.as_ref());
                    let node = vm.heap.find_str(t, key.payload);
                    // SAFETY: a table's cell, a node of it.
                    unsafe {
                        if !node.is_null() && !(*node).value.is_nil() {
                            r!($i.a()) = (*node).value;
                            continue;
                        }
                        if (*t).meta == 0 {
                            r!($i.a()) = Value::NIL;
                            continue;
                        }
                    }
                } else if o.tag == Tag::Packet
                    && key.aux != 0
                    && let Some(v) = vm.packet.fast_field(o, (key.aux - 1) as u16)
                {
                    r!($i.a()) = v;
                    continue;
                }
                slow!(vm.get_field_slow($i, o, key, $name));
            }};
        }
        macro_rules! set_field {
            ($o:expr, $key:expr, $v:expr, $name:expr) => {{
                let (o, key, v) = ($o, $key, $v);
                if o.tag == Tag::Table && (vm.heap.barrier == 0 || vm.heap.stores_freely(v)) {
                    let t = vm.heap.table(o.as_ref());
                    let node = vm.heap.find_str(t, key.payload);
                    // SAFETY: a table's cell, a node of it.
                    unsafe {
                        if !node.is_null() && !(*node).value.is_nil() && !v.is_nil() {
                            (*node).value = v;
                            continue;
                        }
                    }
                }
                slow!(vm.set_and_drive(o, key, v, $name));
            }};
        }
        macro_rules! set_index {
            ($o:expr, $key:expr, $v:expr, $name:expr) => {{
                let (o, key, v) = ($o, $key, $v);
                if o.tag == Tag::Table
                    && key.tag == Tag::Int
                    && (vm.heap.barrier == 0 || vm.heap.stores_freely(v))
                    && vm.heap.replace_int(o.as_ref(), key.as_int(), v)
                {
                    continue;
                }
                slow!(vm.set_and_drive(o, key, v, $name));
            }};
        }

        enter_frame!();
        loop {
            // SAFETY: see above.
            let i = unsafe { *pc };
            // SAFETY: see above.
            pc = unsafe { pc.add(1) };
            // SAFETY: verified code has known operations only.
            let op: Op = unsafe { core::mem::transmute::<u8, Op>(i.op_byte()) };
            match op {
                Op::PktNo => {
                    let o = r!(i.a());
                    if let Some(there) = vm.packet.fast_has(o, i.imm() as u16) {
                        let skip = if there { 2 } else { usize::from(i.off()) };
                        // SAFETY: see above.
                        pc = unsafe { pc.add(skip) };
                    }
                }
                Op::PktNeI => {
                    let o = r!(i.a());
                    if let Some(n) = vm.packet.fast_int(o, (i.imm() as u32 >> 16) as u16) {
                        let same = n == i.imm() as u32 & 0xffff;
                        let skip = if same { 2 } else { usize::from(i.off()) };
                        // SAFETY: see above.
                        pc = unsafe { pc.add(skip) };
                    }
                }
                Op::GetField2 => {
                    let o = r!(i.b());
                    if let Some(v) = vm.packet.fast_path(o, i.off()) {
                        r!(i.a()) = v;
                    } else {
                        let (first, second) = (k!(i.c()), k!(i.c() + 1));
                        slow!(vm.get_path_and_drive(i, o, first, second));
                    }
                }
                Op::GetField => get_field!(i, r!(i.b()), Operand::Register(u32::from(i.b()))),
                Op::JmpNeI => {
                    let x = r!(i.a());
                    let imm = i.imm();
                    let equal = x.tag == Tag::Int && x.as_int() == i64::from(imm)
                        || x.tag == Tag::Float && x.as_float() == f64::from(imm);
                    branch!(i, !equal);
                }
                Op::JmpEqI => {
                    let x = r!(i.a());
                    let imm = i.imm();
                    let equal = x.tag == Tag::Int && x.as_int() == i64::from(imm)
                        || x.tag == Tag::Float && x.as_float() == f64::from(imm);
                    branch!(i, equal);
                }
                Op::Move => r!(i.a()) = r!(i.b()),
                Op::JmpF => branch!(i, !r!(i.a()).is_true()),
                Op::JmpT => branch!(i, r!(i.a()).is_true()),
                Op::Return0 => {
                    let f = *vm.this();
                    if f.flags & SPECIAL == 0
                        && (i.b() == 0 || vm.tbc_count == 0)
                        && vm.frame(vm.depth - 1).kind == FrameKind::Lua
                        && f.wanted >= 0
                    {
                        vm.depth -= 1;
                        for n in 0..f.wanted as usize {
                            // SAFETY: wanted results have a place in the caller's frame.
                            unsafe { *vm.slot(f.func).add(n) = Value::NIL };
                        }
                        enter_frame!();
                        continue;
                    }
                    let first = f.base;
                    slow!(vm.return_from(first, 0, i.b() != 0));
                }
                Op::Return1 => {
                    let f = *vm.this();
                    if f.flags & SPECIAL == 0
                        && (i.b() == 0 || vm.tbc_count == 0)
                        && vm.frame(vm.depth - 1).kind == FrameKind::Lua
                        && f.wanted >= 0
                    {
                        vm.depth -= 1;
                        let v = r!(i.a());
                        // SAFETY: wanted results have a place in the caller's frame.
                        unsafe {
                            let to = vm.slot(f.func);
                            if f.wanted != 0 {
                                *to = v;
                                for n in 1..f.wanted as usize {
                                    *to.add(n) = Value::NIL;
                                }
                            }
                        }
                        enter_frame!();
                        continue;
                    }
                    let first = f.base + u32::from(i.a());
                    slow!(vm.return_from(first, 1, i.b() != 0));
                }
                Op::LoadK => r!(i.a()) = k!(i.imm()),
                Op::LoadI => r!(i.a()) = Value::int(i64::from(i.imm())),
                Op::GetTabUp => {
                    // SAFETY: see above.
                    let o = unsafe { *upvalues.add(usize::from(i.b())) };
                    get_field!(i, o, Operand::Upvalue(u32::from(i.b())));
                }
                Op::Call => {
                    let a = &raw mut r!(i.a());
                    // SAFETY: inside the stack; frames below the limit.
                    unsafe {
                        let func = a.offset_from(vm.stack) as u32;
                        let nargs = if i.b() == 0 { vm.top - func - 1 } else { u32::from(i.b()) - 1 };
                        let wanted = if i.c() == 0 { ALL as i16 } else { i.c() as i16 - 1 };
                        if (*a).tag == Tag::Closure {
                            let closure = (*a).as_ref();
                            let header: &Header = &*vm.heap.at(closure);
                            let p = &*vm.heap.at::<ProtoCell>(header.hash);
                            if header.kind == Kind::Closure
                                && p.vararg == 0
                                && func + 1 + nargs + u32::from(p.registers) < vm.stack_soft
                                && vm.depth + 2 < vm.frame_limit
                            {
                                vm.fuel -= i64::from(p.fuel);
                                let proto = header.hash;
                                for n in nargs..u32::from(p.parameters) {
                                    *a.add(1 + n as usize) = Value::NIL;
                                }
                                let (code, pool) = (p.code, p.constants);
                                {
                                    let from = vm.proto(vm.this().proto).code;
                                    vm.this_mut().pc = pc.offset_from(from) as u32;
                                }
                                vm.depth += 1;
                                *vm.this_mut() = Frame {
                                    pc: 0,
                                    base: func + 1,
                                    func,
                                    proto,
                                    extra: 0,
                                    failed: 0,
                                    place: 0,
                                    wanted,
                                    kind: FrameKind::Lua,
                                    flags: 0,
                                };
                                pc = code;
                                base = a.add(1);
                                constants = pool;
                                upvalues = vm.heap.upvalues(closure);
                                vm.heap.exec.constants = constants;
                                vm.heap.exec.upvalues = upvalues;
                                if vm.fuel < 0 {
                                    return Err(vm.out_of_fuel());
                                }
                                continue;
                            }
                        }
                        slow!(vm.call_slow(func, nargs, wanted));
                    }
                }
                Op::AddI => {
                    let x = r!(i.b());
                    let c = i64::from(i.c() as i16);
                    if x.tag == Tag::Int {
                        r!(i.a()) = Value::int(x.as_int().wrapping_add(c));
                    } else if x.tag == Tag::Float {
                        r!(i.a()) = Value::float(arith::add(x.as_float(), c as f64));
                    } else {
                        slow!(vm.add_immediate_slow(i, x));
                    }
                }
                Op::ForLoop => {
                    let counter = &raw mut r!(i.a());
                    // SAFETY: four registers belong to the loop.
                    unsafe {
                        if (*counter).tag == Tag::Int {
                            let left = (*counter.add(1)).payload;
                            if left != 0 {
                                let next = (*counter).as_int().wrapping_add((*counter.add(2)).as_int());
                                (*counter.add(1)).payload = left - 1;
                                (*counter).payload = next as u64;
                                *counter.add(3) = Value::int(next);
                                burn!(i);
                                pc = pc.offset(-(i.imm() as isize));
                            }
                        } else {
                            let step = (*counter.add(2)).as_float();
                            let limit = (*counter.add(1)).as_float();
                            let next = (*counter).as_float() + step;
                            if if step > 0.0 { next <= limit } else { limit <= next } {
                                *counter = Value::float(next);
                                *counter.add(3) = Value::float(next);
                                burn!(i);
                                pc = pc.offset(-(i.imm() as isize));
                            }
                        }
                    }
                }
                Op::Jmp => {
                    if i.off() != 0 {
                        burn!(i);
                    }
                    // SAFETY: see above.
                    pc = unsafe { pc.offset(i.imm() as isize) };
                }
                Op::GetIndex => {
                    let (o, key) = (r!(i.b()), r!(i.c()));
                    if o.tag == Tag::Table {
                        let v = match key.tag {
                            Tag::Int => vm.heap.get_int(o.as_ref(), key.as_int()),
                            Tag::Bytes => Value::NIL,
                            _ => vm.heap.get(o.as_ref(), key),
                        };
                        if !v.is_nil() || key.tag != Tag::Bytes && vm.heap.meta(o.as_ref()) == 0 {
                            r!(i.a()) = v;
                            continue;
                        }
                    }
                    slow!(vm.get_and_drive(o, key, u32::from(i.a()), Operand::Register(u32::from(i.b()))));
                }
                Op::GetInt => {
                    let o = r!(i.b());
                    let c = i64::from(i.c());
                    if o.tag == Tag::Table {
                        let v = vm.heap.get_int(o.as_ref(), c);
                        if !v.is_nil() || vm.heap.meta(o.as_ref()) == 0 {
                            r!(i.a()) = v;
                            continue;
                        }
                    }
                    let key = Value::int(c);
                    slow!(vm.get_and_drive(o, key, u32::from(i.a()), Operand::Register(u32::from(i.b()))));
                }
                Op::SetField => {
                    set_field!(r!(i.a()), k!(i.b()), r!(i.c()), Operand::Register(u32::from(i.a())));
                }
                Op::SetFieldK => {
                    set_field!(r!(i.a()), k!(i.b()), k!(i.c()), Operand::Register(u32::from(i.a())));
                }
                Op::SetIndex => {
                    set_index!(r!(i.a()), r!(i.b()), r!(i.c()), Operand::Register(u32::from(i.a())));
                }
                Op::SetIndexK => {
                    set_index!(r!(i.a()), r!(i.b()), k!(i.c()), Operand::Register(u32::from(i.a())));
                }
                Op::SetInt => {
                    let key = Value::int(i64::from(i.b()));
                    set_index!(r!(i.a()), key, r!(i.c()), Operand::Register(u32::from(i.a())));
                }
                Op::SetTabUp => {
                    // SAFETY: see above.
                    let o = unsafe { *upvalues.add(usize::from(i.a())) };
                    set_field!(o, k!(i.b()), r!(i.c()), Operand::Upvalue(u32::from(i.a())));
                }
                Op::SetTabUpK => {
                    // SAFETY: see above.
                    let o = unsafe { *upvalues.add(usize::from(i.a())) };
                    set_field!(o, k!(i.b()), k!(i.c()), Operand::Upvalue(u32::from(i.a())));
                }
                Op::SelfField => {
                    let o = r!(i.b());
                    r!(i.a() + 1) = o;
                    get_field!(i, o, Operand::Register(u32::from(i.b())));
                }
                Op::NewTable => slow!(vm.make_table(i)),
                Op::SetList => {
                    let mut start = u32::from(i.c());
                    if i.off() == 1 {
                        // SAFETY: see above.
                        start = unsafe { (*pc).imm() } as u32;
                        // SAFETY: see above.
                        pc = unsafe { pc.add(1) };
                    }
                    slow!(vm.set_list(i, start));
                }
                Op::Extra => {}
                Op::GetBox => {
                    let b = r!(i.b()).as_ref();
                    // SAFETY: the register holds a box.
                    r!(i.a()) = unsafe { (*vm.heap.at::<BoxCell>(b)).value };
                }
                Op::SetBox => {
                    let (b, v) = (r!(i.a()).as_ref(), r!(i.b()));
                    if vm.heap.barrier == 0 || vm.heap.stores_freely(v) {
                        // SAFETY: the register holds a box.
                        unsafe { (*vm.heap.at::<BoxCell>(b)).value = v };
                    } else {
                        slow!(vm.set_box(b, v));
                    }
                }
                Op::NewBox => slow!(vm.make_box(u32::from(i.a()))),
                Op::GetUp => {
                    // SAFETY: see above.
                    r!(i.a()) = unsafe { *upvalues.add(usize::from(i.b())) };
                }
                Op::GetUpBox => {
                    // SAFETY: see above; the upvalue is a box.
                    r!(i.a()) = unsafe {
                        let b = (*upvalues.add(usize::from(i.b()))).as_ref();
                        (*vm.heap.at::<BoxCell>(b)).value
                    };
                }
                Op::SetUp => {
                    // SAFETY: see above; the upvalue is a box.
                    let b = unsafe { (*upvalues.add(usize::from(i.a()))).as_ref() };
                    let v = r!(i.b());
                    if vm.heap.barrier == 0 || vm.heap.stores_freely(v) {
                        // SAFETY: as above.
                        unsafe { (*vm.heap.at::<BoxCell>(b)).value = v };
                    } else {
                        slow!(vm.set_box(b, v));
                    }
                }
                Op::LoadNil => {
                    for n in 0..usize::from(i.b()) {
                        r!(usize::from(i.a()) + n) = Value::NIL;
                    }
                }
                Op::LoadFalse => r!(i.a()) = Value::boolean(false),
                Op::LoadTrue => r!(i.a()) = Value::boolean(true),
                Op::Closure => slow!(vm.make_closure(u32::from(i.a()), i.imm() as u32)),
                Op::Add => arith!(i, r!(i.b()), r!(i.c()), Event::Add, false, i64::wrapping_add, arith::add),
                Op::Sub => arith!(i, r!(i.b()), r!(i.c()), Event::Sub, false, i64::wrapping_sub, arith::sub),
                Op::Mul => arith!(i, r!(i.b()), r!(i.c()), Event::Mul, false, i64::wrapping_mul, arith::mul),
                Op::AddK => arith!(i, r!(i.b()), k!(i.c()), Event::Add, true, i64::wrapping_add, arith::add),
                Op::SubK => arith!(i, r!(i.b()), k!(i.c()), Event::Sub, true, i64::wrapping_sub, arith::sub),
                Op::MulK => arith!(i, r!(i.b()), k!(i.c()), Event::Mul, true, i64::wrapping_mul, arith::mul),
                Op::Div | Op::DivK => {
                    let x = r!(i.b());
                    let y = if op == Op::DivK { k!(i.c()) } else { r!(i.c()) };
                    if let (Some(p), Some(q)) = (float_of(x), float_of(y)) {
                        r!(i.a()) = Value::float(arith::div(p, q));
                    } else {
                        slow!(vm.arith_slow(i, x, y, Event::Div, op == Op::DivK));
                    }
                }
                Op::Mod => other!(i, r!(i.b()), r!(i.c()), Event::Mod, false),
                Op::IDiv => other!(i, r!(i.b()), r!(i.c()), Event::IDiv, false),
                Op::Pow => other!(i, r!(i.b()), r!(i.c()), Event::Pow, false),
                Op::ModK => other!(i, r!(i.b()), k!(i.c()), Event::Mod, true),
                Op::IDivK => other!(i, r!(i.b()), k!(i.c()), Event::IDiv, true),
                Op::PowK => other!(i, r!(i.b()), k!(i.c()), Event::Pow, true),
                Op::BAnd => bitwise!(i, r!(i.b()), r!(i.c()), Event::BAnd, false, |x, y| x & y),
                Op::BOr => bitwise!(i, r!(i.b()), r!(i.c()), Event::BOr, false, |x, y| x | y),
                Op::BXor => bitwise!(i, r!(i.b()), r!(i.c()), Event::BXor, false, |x, y| x ^ y),
                Op::BAndK => bitwise!(i, r!(i.b()), k!(i.c()), Event::BAnd, true, |x, y| x & y),
                Op::BOrK => bitwise!(i, r!(i.b()), k!(i.c()), Event::BOr, true, |x, y| x | y),
                Op::BXorK => bitwise!(i, r!(i.b()), k!(i.c()), Event::BXor, true, |x, y| x ^ y),
                Op::Shl => bitwise!(i, r!(i.b()), r!(i.c()), Event::Shl, false, arith::shift_left),
                Op::Shr => bitwise!(i, r!(i.b()), r!(i.c()), Event::Shr, false, arith::shift_right),
                Op::ShlK => bitwise!(i, r!(i.b()), k!(i.c()), Event::Shl, true, arith::shift_left),
                Op::ShrK => bitwise!(i, r!(i.b()), k!(i.c()), Event::Shr, true, arith::shift_right),
                Op::Unm => {
                    let x = r!(i.b());
                    match x.tag {
                        Tag::Int => r!(i.a()) = Value::int(x.as_int().wrapping_neg()),
                        Tag::Float => r!(i.a()) = Value::float(-x.as_float()),
                        _ => slow!(vm.unary_slow(i, x, Event::Unm)),
                    }
                }
                Op::BNot => {
                    let x = r!(i.b());
                    if let Some(n) = int_of(x) {
                        r!(i.a()) = Value::int(!n);
                    } else {
                        slow!(vm.unary_slow(i, x, Event::BNot));
                    }
                }
                Op::Not => {
                    let truth = r!(i.b()).is_true();
                    r!(i.a()) = Value::boolean(!truth);
                }
                Op::Len => {
                    let x = r!(i.b());
                    if x.tag == Tag::Table && vm.heap.meta(x.as_ref()) == 0 {
                        r!(i.a()) = Value::int(vm.heap.border(x.as_ref()));
                    } else {
                        slow!(vm.len_and_drive(u32::from(i.b()), u32::from(i.a())));
                    }
                }
                Op::Concat => slow!(vm.concat_and_drive(u32::from(i.a()), u32::from(i.b()))),
                Op::JmpEq => equal!(i, r!(i.a()), r!(i.b()), false),
                Op::JmpNe => equal!(i, r!(i.a()), r!(i.b()), true),
                Op::JmpLt => compare_registers!(i, i64::lt, false, Event::Lt),
                Op::JmpNLt => compare_registers!(i, i64::lt, true, Event::Lt),
                Op::JmpLe => compare_registers!(i, i64::le, false, Event::Le),
                Op::JmpNLe => compare_registers!(i, i64::le, true, Event::Le),
                Op::JmpEqK => {
                    let equal = vm.raw_equal(r!(i.a()), k!(i.imm()));
                    branch!(i, equal);
                }
                Op::JmpNeK => {
                    let equal = vm.raw_equal(r!(i.a()), k!(i.imm()));
                    branch!(i, !equal);
                }
                Op::JmpLtI => compare_immediate!(i, i64::lt, f64::lt, false, Event::Lt, false),
                Op::JmpNLtI => compare_immediate!(i, i64::lt, f64::lt, true, Event::Lt, false),
                Op::JmpLeI => compare_immediate!(i, i64::le, f64::le, false, Event::Le, false),
                Op::JmpNLeI => compare_immediate!(i, i64::le, f64::le, true, Event::Le, false),
                Op::JmpGtI => compare_immediate!(i, i64::gt, f64::gt, false, Event::Lt, true),
                Op::JmpNGtI => compare_immediate!(i, i64::gt, f64::gt, true, Event::Lt, true),
                Op::JmpGeI => compare_immediate!(i, i64::ge, f64::ge, false, Event::Le, true),
                Op::JmpNGeI => compare_immediate!(i, i64::ge, f64::ge, true, Event::Le, true),
                Op::TailCall => {
                    let func = vm.this().base + u32::from(i.a());
                    let place = vm.this().place;
                    if place != 0 {
                        let first = func;
                        let n = vm.top - first;
                        slow!(vm.return_from(first, n, true));
                    } else {
                        let nargs = if i.b() == 0 { vm.top - func - 1 } else { u32::from(i.b()) - 1 };
                        slow!(vm.tail_call(func, nargs, i.c() != 0));
                    }
                }
                Op::Return => {
                    let first = vm.this().base + u32::from(i.a());
                    let n = if i.b() == 0 { vm.top - first } else { u32::from(i.b()) - 1 };
                    slow!(vm.return_from(first, n, i.c() != 0));
                }
                Op::ForPrep => {
                    save!();
                    if !vm.prepare_loop(u32::from(i.a()))? {
                        // SAFETY: see above.
                        pc = unsafe { pc.offset(i.imm() as isize) };
                    }
                }
                Op::TForPrep => {
                    save!();
                    let index = vm.this().base + u32::from(i.a()) + 3;
                    vm.add_tbc(index)?;
                    // SAFETY: see above.
                    pc = unsafe { pc.offset(i.imm() as isize) };
                }
                Op::TForCall => {
                    let a = &raw mut r!(i.a());
                    // SAFETY: the loop has these registers and room for a call behind them.
                    let func = unsafe {
                        *a.add(4) = *a;
                        *a.add(5) = *a.add(1);
                        *a.add(6) = *a.add(2);
                        a.add(4).offset_from(vm.stack) as u32
                    };
                    slow!(vm.call_slow(func, 2, i.c() as i16));
                }
                Op::TForLoop => {
                    let a = &raw mut r!(i.a());
                    // SAFETY: the loop has these registers.
                    unsafe {
                        if !(*a.add(4)).is_nil() {
                            *a.add(2) = *a.add(4);
                            burn!(i);
                            pc = pc.offset(-(i.imm() as isize));
                        }
                    }
                }
                Op::VarArg => slow!(vm.copy_varargs(i)),
                Op::Tbc => {
                    save!();
                    let index = vm.this().base + u32::from(i.a());
                    vm.add_tbc(index)?;
                }
                Op::Close => {
                    let level = vm.this().base + u32::from(i.a());
                    slow!(vm.close_from(level));
                }
            }
        }
    }

    // --- slow paths of the loop ------------------------------------------------------------------------

    /// Goes on with natives when a slow path put one on top.
    #[inline(always)]
    fn and_drive(&mut self, flow: Flow) -> Result<Flow, Raise> {
        if flow == Flow::Frame { self.drive() } else { Ok(flow) }
    }

    #[inline(never)]
    fn get_field_slow(&mut self, i: Inst, o: Value, key: Value, name: Operand) -> Result<Flow, Raise> {
        if o.tag == Tag::Packet && key.aux != 0 {
            let v = crate::packet::access::get_id(self, o, (key.aux - 1) as u16)?;
            return Ok(self.put(u32::from(i.a()), v));
        }
        let flow = self.get_slow(o, key, u32::from(i.a()), name)?;
        self.and_drive(flow)
    }

    #[inline(never)]
    fn get_and_drive(&mut self, o: Value, key: Value, dest: u32, name: Operand) -> Result<Flow, Raise> {
        let flow = self.get_slow(o, key, dest, name)?;
        self.and_drive(flow)
    }

    #[inline(never)]
    fn get_path_and_drive(&mut self, i: Inst, o: Value, first: Value, second: Value) -> Result<Flow, Raise> {
        let flow = self.get_path_slow(i, o, first, second)?;
        self.and_drive(flow)
    }

    #[inline(never)]
    fn set_and_drive(&mut self, o: Value, key: Value, v: Value, name: Operand) -> Result<Flow, Raise> {
        let flow = self.set_slow(o, key, v, name)?;
        self.and_drive(flow)
    }

    #[inline(never)]
    fn len_and_drive(&mut self, register: u32, dest: u32) -> Result<Flow, Raise> {
        let flow = self.len_slow(register, dest)?;
        self.and_drive(flow)
    }

    #[inline(never)]
    fn concat_and_drive(&mut self, first: u32, count: u32) -> Result<Flow, Raise> {
        let flow = match self.concat(first, count) {
            Err(Raise::Memory) => {
                // Garbage may be in the way; here everything in use is on the stack.
                self.collect();
                self.concat(first, count)?
            }
            result => result?,
        };
        self.and_drive(flow)
    }

    /// An arithmetic instruction that is not on two numbers.
    #[cold]
    #[inline(never)]
    fn arith_slow(&mut self, i: Inst, x: Value, y: Value, event: Event, constant: bool) -> Result<Flow, Raise> {
        let first = Operand::Register(u32::from(i.b()));
        let second = if constant {
            Operand::Constant(u32::from(i.c()))
        } else {
            Operand::Register(u32::from(i.c()))
        };
        // The constant was written on the left.
        let flipped = constant && i.off() & 2 != 0;
        let (x, y, names) =
            if flipped { (y, x, (second, first)) } else { (x, y, (first, second)) };
        let flow = self.arithmetic(event, x, y, names, u32::from(i.a()))?;
        self.and_drive(flow)
    }

    #[cold]
    #[inline(never)]
    fn add_immediate_slow(&mut self, i: Inst, x: Value) -> Result<Flow, Raise> {
        let c = i64::from(i.c() as i16);
        let name = Operand::Register(u32::from(i.b()));
        let dest = u32::from(i.a());
        let flow = match i.off() {
            1 => self.arithmetic(Event::Sub, x, Value::int(-c), (name, Operand::None), dest)?,
            2 => self.arithmetic(Event::Add, Value::int(c), x, (Operand::None, name), dest)?,
            _ => self.arithmetic(Event::Add, x, Value::int(c), (name, Operand::None), dest)?,
        };
        self.and_drive(flow)
    }

    #[cold]
    #[inline(never)]
    fn unary_slow(&mut self, i: Inst, x: Value, event: Event) -> Result<Flow, Raise> {
        let name = Operand::Register(u32::from(i.b()));
        let flow = self.arithmetic(event, x, x, (name, name), u32::from(i.a()))?;
        self.and_drive(flow)
    }

    /// `Return` and its short forms in the general case.
    #[inline(never)]
    fn return_from(&mut self, first: u32, n: u32, closing: bool) -> Result<Flow, Raise> {
        if closing && self.tbc_count > 0 {
            // After each `__close` the instruction runs again.
            self.this_mut().pc -= 1;
            return self.return_slow(first, n);
        }
        self.finish_return(first, n)?;
        self.drive()
    }

    /// `Close`: runs again after each `__close`.
    #[inline(never)]
    fn close_from(&mut self, level: u32) -> Result<Flow, Raise> {
        let keep = self.extent();
        self.this_mut().pc -= 1;
        if self.close_next(level, keep)? {
            return self.drive();
        }
        let f = self.this_mut();
        f.pc += 1;
        f.place = 0;
        Ok(Flow::Next)
    }

    #[inline(never)]
    fn make_table(&mut self, i: Inst) -> Result<Flow, Raise> {
        let (items, fields) = (u32::from(i.b()), u32::from(i.c()));
        let t = match self.heap.new_table(items, fields) {
            Ok(t) => t,
            Err(_) => {
                self.collect();
                self.new_table(items, fields)?
            }
        };
        self.put(u32::from(i.a()), Value::object(Tag::Table, t));
        if self.heap.wants_safe_point() {
            self.safe_point();
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    fn set_list(&mut self, i: Inst, start: u32) -> Result<Flow, Raise> {
        let at = self.this().base + u32::from(i.a());
        let count = if i.b() == 0 { self.top - at - 1 } else { u32::from(i.b()) };
        let t = self.get(at).as_ref();
        self.charge(u64::from(count) / 8)?;
        if self.heap.reserve_array(t, start + count).is_err() {
            return Err(self.out_of_memory());
        }
        for n in 1..=count {
            let v = self.get(at + n);
            self.raw_set_int(t, i64::from(start + n), v)?;
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    fn make_box(&mut self, register: u32) -> Result<Flow, Raise> {
        let v = self.get(self.this().base + register);
        let v = self.stored(v)?;
        let b = match self.heap.new_box(v) {
            Ok(b) => b,
            Err(_) => {
                self.collect();
                let b = self.heap.new_box(v);
                self.memory(b)?
            }
        };
        self.put(register, Value::object(Tag::Box, b));
        if self.heap.wants_safe_point() {
            self.safe_point();
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    fn set_box(&mut self, b: u32, v: Value) -> Result<Flow, Raise> {
        let v = self.stored(v)?;
        // SAFETY: a box's cell.
        unsafe {
            let old = (*self.heap.at::<BoxCell>(b)).value;
            self.heap.store_barrier(b, old, v);
            (*self.heap.at::<BoxCell>(b)).value = v;
        }
        Ok(Flow::Next)
    }

    #[inline(never)]
    fn copy_varargs(&mut self, i: Inst) -> Result<Flow, Raise> {
        let f = *self.this();
        let to = f.base + u32::from(i.a());
        let wanted = if i.c() == 0 { f.extra } else { u32::from(i.c()) - 1 };
        self.top = to;
        self.ensure_stack(wanted)?;
        let from = f.base - f.extra;
        // SAFETY: further arguments lie right below the base; there is room for those wanted.
        unsafe {
            core::ptr::copy(self.slot(from), self.slot(to), wanted.min(f.extra) as usize);
            for n in f.extra..wanted {
                *self.slot(to + n) = Value::NIL;
            }
        }
        self.top = to + wanted;
        self.charge(u64::from(wanted) / 16)?;
        Ok(Flow::Next)
    }

    /// `ForPrep`: whether the loop has a turn.
    #[inline(never)]
    fn prepare_loop(&mut self, register: u32) -> Result<bool, Raise> {
        let at = self.this().base + register;
        let (start, step) = (self.get(at), self.get(at + 2));
        let limit = self.loop_operand(self.get(at + 1));
        let turns;
        if start.tag == Tag::Int && step.tag == Tag::Int {
            let (first, by) = (start.as_int(), step.as_int());
            if by == 0 {
                return Err(self.fault(format_args!("'for' step is zero")));
            }
            let Some(last) = self.loop_limit(first, limit, by)? else { return Ok(false) };
            let distance = if by > 0 {
                (last as u64).wrapping_sub(first as u64) / by as u64
            } else {
                (first as u64).wrapping_sub(last as u64) / ((by.wrapping_add(1)).wrapping_neg() as u64 + 1)
            };
            turns = Value { tag: Tag::Int, aux: 0, payload: distance };
            self.put(register + 3, start);
            self.put(register + 1, turns);
            return Ok(true);
        }
        let Some(last) = float_of(limit) else { return Err(self.loop_error("limit", limit)) };
        let Some(by) = float_of(self.loop_operand(step)) else { return Err(self.loop_error("step", step)) };
        let Some(first) = float_of(self.loop_operand(start)) else { return Err(self.loop_error("initial value", start)) };
        if by == 0.0 {
            return Err(self.fault(format_args!("'for' step is zero")));
        }
        if if by > 0.0 { last < first } else { first < last } || first.is_nan() || last.is_nan() || by.is_nan() {
            return Ok(false);
        }
        self.put(register, Value::float(first));
        self.put(register + 1, Value::float(last));
        self.put(register + 2, Value::float(by));
        self.put(register + 3, Value::float(first));
        Ok(true)
    }

    /// A loop's operand, which may be a numeral.
    fn loop_operand(&self, v: Value) -> Value {
        self.to_number(v).map_or(v, value_of)
    }

    /// The limit of an integer loop as an integer; `None` when the loop has no turn.
    fn loop_limit(&mut self, first: i64, limit: Value, step: i64) -> Result<Option<i64>, Raise> {
        let last = match limit.tag {
            Tag::Int => limit.as_int(),
            Tag::Float => {
                let f = limit.as_float();
                if f.is_nan() {
                    return Ok(None);
                }
                let cut = if step < 0 { arith::ceil_to_int(f) } else { arith::floor_to_int(f) };
                match cut {
                    Some(last) => last,
                    None if f > 0.0 && step < 0 => return Ok(None),
                    None if f > 0.0 => i64::MAX,
                    None if step > 0 => return Ok(None),
                    None => i64::MIN,
                }
            }
            _ => return Err(self.loop_error("limit", limit)),
        };
        let none = if step > 0 { first > last } else { first < last };
        Ok(if none { None } else { Some(last) })
    }

    #[cold]
    fn loop_error(&mut self, what: &str, v: Value) -> Raise {
        let kind = self.type_name_of(v);
        self.fault(format_args!("bad 'for' {what} (number expected, got {})", Bytes(kind.text())))
    }
}
