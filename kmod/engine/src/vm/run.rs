// SPDX-License-Identifier: GPL-2.0-only
//! The loop over instructions.
//!
//! An arm does what is short and goes on with the next instruction; an arm that ends without doing so
//! leaves its instruction to [`Vm::slow_instruction`], which can do all of them. So there is one way
//! out of the loop and back, and what the loop keeps in variables is good until then: `pc`, `constants`
//! and `upvalues` are read again after it, because a body may have moved; `base` changes only with the
//! frame, for the stack never moves.
//!
//! # What verified code promises
//!
//! Operands of instructions are registers below the frame's size, constants inside the pool and of the
//! kind that the operation says, upvalues below the function's number, jump targets inside the
//! function; the last instruction ends the function; "up to the top" follows what sets the top.

#![allow(
    clippy::incompatible_msrv,
    reason = "`cold_path` is in every toolchain that builds this"
)]

use super::call::{Flow, Left};
use super::native::ALL;
use super::operate::{float_of, holds};
use super::{Event, FIRST, Frame, FrameKind, TAIL, Vm};
use crate::bytecode::op::{Inst, Op};
use crate::memory::cell::{BoxCell, Header, Kind, ProtoCell};
use crate::number::arith;
use crate::value::{Tag, Value};
use core::hint::cold_path;

/// Every flag but the one that says nothing about returning.
const SPECIAL: u8 = !TAIL;

/// An instruction in memory. Its parts are loaded where they are needed.
#[repr(C)]
struct Parts {
    op: u8,
    a: u8,
    off: u16,
    b: u16,
    c: u16,
}

impl Parts {
    #[inline(always)]
    fn imm(&self) -> i32 {
        // SAFETY: the last four of the eight bytes, which are aligned to eight.
        unsafe { *core::ptr::from_ref(self).cast::<i32>().add(1) }
    }
}

const _: () = assert!(size_of::<Parts>() == 8 && size_of::<Inst>() == 8);

impl Vm {
    /// Runs the Lua function in the topmost frame, and those it calls, until something else is on top.
    #[inline(never)]
    pub(crate) fn interpret(&mut self) -> Left {
        let f = *self.this();
        // SAFETY: a frame of a Lua function, its prototype and its closure.
        unsafe {
            let p: *const ProtoCell = self.heap.at(f.proto);
            let constants = (*p).constants;
            self.heap.exec.constants = constants;
            self.heap.exec.upvalues = self.heap.upvalues((*self.slot(f.func)).as_ref());
            let pc = (*p).code.add(f.pc as usize);
            self.execute(pc, self.slot(f.base), constants)
        }
    }

    /// The same from an instruction of that function on, with its first register and its constants;
    /// `heap.exec` has its constants and upvalues. Packets have a copy of the loop of their own, so
    /// that their way there is no call.
    #[allow(
        unused_unsafe,
        reason = "the macros are used inside and outside of unsafe blocks"
    )]
    #[inline(always)]
    pub(crate) fn execute(
        &mut self,
        mut pc: *const Inst,
        mut base: *mut Value,
        mut constants: *const Value,
    ) -> Left {
        let vm = self;

        macro_rules! enter_frame {
            () => {{
                let f: *const Frame = vm.this();
                // SAFETY: a frame of a Lua function, its prototype and its closure.
                unsafe {
                    let p: *const ProtoCell = vm.heap.at((*f).proto);
                    pc = (*p).code.add((*f).pc as usize);
                    constants = (*p).constants;
                    base = vm.slot((*f).base);
                    vm.heap.exec.constants = constants;
                    vm.heap.exec.upvalues = vm.heap.upvalues((*vm.slot((*f).func)).as_ref());
                }
            }};
        }
        macro_rules! save {
            () => {{
                let code = vm.proto(vm.this().proto).code;
                vm.standing = 0;
                // SAFETY: both point into the same code.
                unsafe {
                    let next = pc.add(1);
                    vm.heap.exec.pc = next;
                    vm.this_mut().pc = next.offset_from(code) as u32;
                }
            }};
        }
        // Goes on as something outside of the loop says.
        macro_rules! go_on {
            ($flow:expr) => {{
                match $flow {
                    Ok(Flow::Next) => {
                        pc = vm.heap.exec.pc;
                        constants = vm.heap.exec.constants;
                    }
                    Ok(Flow::Frame) if vm.this().kind == FrameKind::Lua => enter_frame!(),
                    Ok(other) => return Left::with(other),
                    Err(raise) => return Left::raised(raise),
                }
            }};
        }
        // Kernels are compiled without jump tables: what is rare goes to the far end of the tree of
        // compares.
        macro_rules! cold {
            () => {
                if cfg!(not(feature = "user")) {
                    cold_path();
                }
            };
        }
        // Registers and constants by number.
        macro_rules! r {
            ($n:expr) => {
                // SAFETY: what verified code promises.
                unsafe { base.add($n as usize) }
            };
        }
        macro_rules! k {
            ($n:expr) => {
                // SAFETY: what verified code promises.
                unsafe { constants.add($n as usize) }
            };
        }
        macro_rules! tag {
            ($p:expr) => {
                // SAFETY: a register or a constant.
                unsafe { (*$p).tag }
            };
        }
        macro_rules! int {
            ($p:expr) => {
                // SAFETY: a register or a constant.
                unsafe { (*$p).payload as i64 }
            };
        }
        macro_rules! float {
            ($p:expr) => {
                // SAFETY: a register or a constant.
                f64::from_bits(unsafe { (*$p).payload })
            };
        }
        macro_rules! put {
            ($p:expr, $v:expr) => {{
                let v = $v;
                // SAFETY: a register.
                unsafe { *$p = v }
            }};
        }
        // Goes on with the next instruction.
        macro_rules! next {
            () => {{
                // SAFETY: the last instruction of a function is none that gets here.
                pc = unsafe { pc.add(1) };
                continue;
            }};
        }
        // Goes on `n` instructions further.
        macro_rules! skip {
            ($n:expr) => {
                // SAFETY: what verified code promises.
                pc = unsafe { pc.offset($n as isize) }
            };
        }
        // Pays for a turn of a loop, and goes on.
        macro_rules! burn {
            ($i:expr) => {{
                vm.fuel -= i64::from($i.off);
                if vm.fuel < 0 {
                    cold_path();
                    save!();
                    if let Err(raise) = vm.refuel() {
                        return Left::raised(raise);
                    }
                }
                next!();
            }};
        }
        macro_rules! branch {
            ($i:expr, $cond:expr) => {{
                if $cond {
                    skip!($i.off);
                }
                next!();
            }};
        }
        macro_rules! arith {
            ($i:expr, $y:expr, $int:expr, $float:expr) => {{
                let (x, y) = (r!($i.b), $y);
                if tag!(x) == Tag::Int && tag!(y) == Tag::Int {
                    put!(r!($i.a), Value::int($int(int!(x), int!(y))));
                    next!();
                }
                if tag!(x) == Tag::Float && tag!(y) == Tag::Float {
                    put!(r!($i.a), Value::float($float(float!(x), float!(y))));
                    next!();
                }
            }};
        }
        macro_rules! ints {
            ($i:expr, $y:expr, $int:expr) => {{
                let (x, y) = (r!($i.b), $y);
                if tag!(x) == Tag::Int && tag!(y) == Tag::Int {
                    put!(r!($i.a), Value::int($int(int!(x), int!(y))));
                    next!();
                }
            }};
        }
        macro_rules! divide {
            ($i:expr, $y:expr) => {{
                let (x, y) = (r!($i.b), $y);
                // SAFETY: registers or constants.
                if let (Some(p), Some(q)) = unsafe { (float_of(*x), float_of(*y)) } {
                    put!(r!($i.a), Value::float(arith::div(p, q)));
                    next!();
                }
            }};
        }
        // `//` and `%` of integers whose divisor is not zero, and of floats.
        macro_rules! floor {
            ($i:expr, $y:expr, $int:expr, $float:expr) => {{
                let (x, y) = (r!($i.b), $y);
                if tag!(x) == Tag::Int && tag!(y) == Tag::Int && int!(y) != 0 {
                    put!(r!($i.a), Value::int($int(int!(x), int!(y))));
                    next!();
                }
                if tag!(x) == Tag::Float && tag!(y) == Tag::Float {
                    put!(r!($i.a), Value::float($float(float!(x), float!(y))));
                    next!();
                }
            }};
        }
        macro_rules! equal_immediate {
            ($i:expr, $wanted:expr) => {{
                let x = r!($i.a);
                if tag!(x) == Tag::Int {
                    branch!($i, (int!(x) == i64::from($i.imm())) == $wanted);
                }
                let equal = tag!(x) == Tag::Float && float!(x) == f64::from($i.imm());
                branch!($i, equal == $wanted);
            }};
        }
        macro_rules! compare_immediate {
            ($i:expr, $int:expr, $float:expr, $wanted:expr) => {{
                let x = r!($i.a);
                if tag!(x) == Tag::Int {
                    branch!($i, $int(&int!(x), &i64::from($i.imm())) == $wanted);
                }
                if tag!(x) == Tag::Float {
                    branch!($i, $float(&float!(x), &f64::from($i.imm())) == $wanted);
                }
            }};
        }
        macro_rules! compare {
            ($i:expr, $int:expr, $event:expr, $wanted:expr) => {{
                let (x, y) = (r!($i.a), r!($i.b));
                if tag!(x) == Tag::Int && tag!(y) == Tag::Int {
                    branch!($i, $int(&int!(x), &int!(y)) == $wanted);
                }
                // SAFETY: registers.
                if let Some(order) = vm.order_at(unsafe { &*x }, unsafe { &*y }) {
                    branch!($i, holds($event, order) == $wanted);
                }
            }};
        }
        // Equality without metamethods: `None` when one may have a say.
        macro_rules! equal {
            ($i:expr, $y:expr, $wanted:expr) => {{
                let (x, y) = (r!($i.a), $y);
                // SAFETY: registers or constants.
                unsafe {
                    if (*x).tag == (*y).tag && (*x).tag as u32 <= Tag::Int as u32 {
                        let same =
                            (*x).payload == (*y).payload || ((*x).tag as u32) < Tag::Int as u32;
                        branch!($i, same == $wanted);
                    }
                    if let Some(same) = vm.equal_at(&*x, &*y) {
                        branch!($i, same == $wanted);
                    }
                }
            }};
        }
        macro_rules! get_field {
            ($i:expr, $o:expr) => {{
                let (o, key) = ($o, k!($i.c));
                // SAFETY: a register or upvalue and a constant; a table's cell and a node of it.
                unsafe {
                    if (*o).tag == Tag::Table {
                        let t = vm.heap.table((*o).as_ref());
                        let node = vm.heap.find_str(t, (*key).payload);
                        if !node.is_null() && !(*node).value.is_nil() {
                            put!(r!($i.a), (*node).value);
                            next!();
                        }
                        if (*t).meta == 0 {
                            put!(r!($i.a), Value::NIL);
                            next!();
                        }
                        if let Some(v) = vm.heap.inherited(t, (*key).payload) {
                            put!(r!($i.a), v);
                            next!();
                        }
                    } else if (*o).tag == Tag::Packet && vm.packet_field(&*o, (*key).aux, r!($i.a))
                    {
                        next!();
                    }
                }
            }};
        }
        macro_rules! set_field {
            ($o:expr, $key:expr, $v:expr) => {{
                let (o, key, v) = ($o, $key, $v);
                // SAFETY: registers, an upvalue, constants; a table's cell and a node of it.
                unsafe {
                    if (*o).tag == Tag::Table
                        && (vm.heap.barrier == 0 || vm.heap.stores_freely(*v))
                        && !(*v).is_nil()
                    {
                        let t = vm.heap.table((*o).as_ref());
                        let node = vm.heap.find_str(t, (*key).payload);
                        if !node.is_null() && !(*node).value.is_nil() {
                            (*node).value = *v;
                            next!();
                        }
                    }
                }
            }};
        }
        macro_rules! set_index {
            ($o:expr, $key:expr, $v:expr) => {{
                let (o, key, v) = ($o, $key, $v);
                // SAFETY: registers or constants.
                unsafe {
                    if (*o).tag == Tag::Table && (vm.heap.barrier == 0 || vm.heap.stores_freely(*v))
                    {
                        if (*key).tag == Tag::Int {
                            if vm.heap.replace_int((*o).as_ref(), (*key).as_int(), *v) {
                                next!();
                            }
                        } else if vm.heap.replace((*o).as_ref(), &*key, &*v) {
                            next!();
                        }
                    }
                }
            }};
        }
        // A return to a Lua function that wants a fixed number of results, or to the host.
        macro_rules! return_short {
            ($i:expr, $store:expr, $verdict:expr) => {{
                let f: *const Frame = vm.this();
                // SAFETY: the frame on top and the one below it.
                unsafe {
                    let caller = f.sub(1);
                    if (*f).flags & SPECIAL == 0
                        && ($i.b == 0 || vm.tbc_count == 0)
                        && matches!((*caller).kind, FrameKind::Lua | FrameKind::Host)
                        && (*f).wanted >= 0
                    {
                        let to = vm.slot((*f).func);
                        let wanted = (*f).wanted as u32;
                        let store: Option<*const Value> = $store;
                        let n = match store {
                            Some(v) if wanted != 0 => {
                                *to = *v;
                                1
                            }
                            _ => 0,
                        };
                        if wanted == n + 1 {
                            *to.add(n as usize) = Value::NIL;
                        } else if wanted > n {
                            cold_path();
                            fill_nil(to.add(n as usize), wanted - n);
                        }
                        vm.depth -= 1;
                        if (*caller).kind == FrameKind::Host {
                            vm.top = (*f).func + wanted;
                            return Left::LEAVE;
                        }
                        enter_frame!();
                        continue;
                    }
                    if (*f).flags == FIRST
                        && ($i.b == 0 || vm.tbc_count == 0)
                        && let Some(left) = $verdict
                    {
                        return left;
                    }
                }
            }};
        }

        macro_rules! return_one {
            ($i:expr) => {{
                let v = r!($i.a).cast_const();
                return_short!($i, Some(v), {
                    if tag!(v) == Tag::Verdict {
                        Left::plain((*v).payload)
                    } else {
                        None
                    }
                });
            }};
        }

        loop {
            // SAFETY: what verified code promises: an instruction.
            let i = unsafe { &*pc.cast::<Parts>() };
            // SAFETY: verified code has known operations only.
            let op: Op = unsafe { core::mem::transmute::<u8, Op>(i.op) };
            match op {
                Op::PktNo => {
                    // SAFETY: a register.
                    let o = unsafe { *r!(i.a) };
                    match vm.packet.fast_has(o, i.b) {
                        Some(true) => {
                            skip!(3);
                            // What follows is usually a test of a field of it, of the same packet.
                            // SAFETY: what verified code promises: an instruction.
                            let f = unsafe { &*pc.cast::<Parts>() };
                            if f.op == Op::PktNeI as u8 && f.a == i.a {
                                let n = vm.packet.int(f.c);
                                if let Some(n) = n {
                                    skip!(if n == u32::from(f.b) { 2 } else { f.off });
                                }
                                next!();
                            }
                            continue;
                        }
                        Some(false) => skip!(i.off),
                        None => {}
                    }
                    next!();
                }
                Op::PktNeI => {
                    // SAFETY: a register.
                    let o = unsafe { *r!(i.a) };
                    if let Some(n) = vm.packet.fast_int(o, i.c) {
                        skip!(if n == u32::from(i.b) { 2 } else { i.off });
                    }
                    next!();
                }
                Op::GetField2 => {
                    // SAFETY: a register.
                    let o = unsafe { *r!(i.b) };
                    if let Some(v) = vm.packet.fast_path(o, i.off) {
                        put!(r!(i.a), v);
                        next!();
                    }
                }
                Op::GetField => get_field!(i, r!(i.b)),
                Op::JmpNeI => equal_immediate!(i, false),
                Op::JmpEqI => equal_immediate!(i, true),
                Op::Move => {
                    // SAFETY: registers.
                    unsafe { *r!(i.a) = *r!(i.b) };
                    next!();
                }
                Op::JmpF => branch!(i, tag!(r!(i.a)) as u32 <= Tag::False as u32),
                Op::JmpT => branch!(i, tag!(r!(i.a)) as u32 > Tag::False as u32),
                Op::Return0 => return_short!(i, None, Left::plain(0)),
                Op::Return1 => return_one!(i),
                Op::LoadK => {
                    // SAFETY: a register and a constant.
                    unsafe { *r!(i.a) = *k!(i.imm()) };
                    skip!(1);
                    // What packets end with: `return ACCEPT`.
                    // SAFETY: what verified code promises: an instruction.
                    let i = unsafe { &*pc.cast::<Parts>() };
                    if i.op != Op::Return1 as u8 {
                        continue;
                    }
                    return_one!(i);
                }
                Op::LoadI => {
                    put!(r!(i.a), Value::int(i64::from(i.imm())));
                    next!();
                }
                Op::GetTabUp => {
                    // SAFETY: what verified code promises.
                    get_field!(i, unsafe { vm.heap.exec.upvalues.add(usize::from(i.b)) });
                }
                Op::Call => {
                    let a = r!(i.a);
                    // SAFETY: inside the stack; frames below the limit.
                    unsafe {
                        if (*a).tag == Tag::Closure {
                            let closure = (*a).as_ref();
                            let header: *const Header = vm.heap.at(closure);
                            let func = a.offset_from(vm.stack) as u32;
                            let nargs = if i.b == 0 {
                                vm.top - func - 1
                            } else {
                                u32::from(i.b) - 1
                            };
                            let p: *const ProtoCell = vm.heap.at((*header).hash);
                            if (*header).kind == Kind::Closure
                                && (*p).vararg == 0
                                && func + 1 + nargs + u32::from((*p).registers) < vm.stack_soft
                                && vm.depth + 2 < vm.frame_limit
                                && vm.fuel >= i64::from((*p).fuel)
                            {
                                vm.fuel -= i64::from((*p).fuel);
                                let mut n = nargs;
                                while n < u32::from((*p).parameters) {
                                    *a.add(1 + n as usize) = Value::NIL;
                                    n += 1;
                                }
                                let f: *mut Frame = vm.this_mut();
                                let code = (*vm.heap.at::<ProtoCell>((*f).proto)).code;
                                (*f).pc = pc.offset_from(code) as u32 + 1;
                                vm.depth += 1;
                                *f.add(1) = Frame {
                                    pc: 0,
                                    base: func + 1,
                                    func,
                                    proto: (*header).hash,
                                    extra: 0,
                                    failed: 0,
                                    place: 0,
                                    wanted: if i.c == 0 { ALL as i16 } else { i.c as i16 - 1 },
                                    kind: FrameKind::Lua,
                                    flags: 0,
                                };
                                pc = (*p).code;
                                base = a.add(1);
                                constants = (*p).constants;
                                vm.heap.exec.constants = constants;
                                vm.heap.exec.upvalues = vm.heap.upvalues(closure);
                                continue;
                            }
                        } else if (*a).tag == Tag::Native {
                            let func = a.offset_from(vm.stack) as u32;
                            let nargs = if i.b == 0 {
                                vm.top - func - 1
                            } else {
                                u32::from(i.b) - 1
                            };
                            let wanted = if i.c == 0 { ALL as i16 } else { i.c as i16 - 1 };
                            save!();
                            let flow = vm.call_native(func, nargs, wanted, (*a).payload as u32);
                            go_on!(flow);
                            continue;
                        }
                    }
                }
                Op::AddI => {
                    let x = r!(i.b);
                    let c = i64::from(i.c as i16);
                    if tag!(x) == Tag::Int {
                        put!(r!(i.a), Value::int(int!(x).wrapping_add(c)));
                        next!();
                    }
                    if tag!(x) == Tag::Float {
                        put!(r!(i.a), Value::float(arith::add(float!(x), c as f64)));
                        next!();
                    }
                }
                Op::ForLoop => {
                    let counter = r!(i.a);
                    // SAFETY: four registers belong to the loop.
                    unsafe {
                        if (*counter).tag == Tag::Int {
                            let left = (*counter.add(1)).payload;
                            if left == 0 {
                                next!();
                            }
                            let next = (*counter).as_int().wrapping_add((*counter.add(2)).as_int());
                            (*counter.add(1)).payload = left - 1;
                            (*counter).payload = next as u64;
                            *counter.add(3) = Value::int(next);
                        } else {
                            let step = (*counter.add(2)).as_float();
                            let limit = (*counter.add(1)).as_float();
                            let next = (*counter).as_float() + step;
                            if !(if step > 0.0 {
                                next <= limit
                            } else {
                                limit <= next
                            }) {
                                next!();
                            }
                            *counter = Value::float(next);
                            *counter.add(3) = Value::float(next);
                        }
                    }
                    skip!(-i.imm());
                    burn!(i);
                }
                Op::Jmp => {
                    skip!(i.imm());
                    burn!(i);
                }
                Op::GetIndex => {
                    let (o, key) = (r!(i.b), r!(i.c));
                    // SAFETY: registers; a table's cell.
                    unsafe {
                        if (*o).tag == Tag::Table {
                            let v = if (*key).tag == Tag::Int {
                                vm.heap.get_int((*o).as_ref(), (*key).as_int())
                            } else {
                                vm.heap.get_at((*o).as_ref(), &*key)
                            };
                            if !v.is_nil()
                                || (*key).tag != Tag::Bytes && vm.heap.meta((*o).as_ref()) == 0
                            {
                                put!(r!(i.a), v);
                                next!();
                            }
                        }
                    }
                }
                Op::GetInt => {
                    let o = r!(i.b);
                    // SAFETY: a register; a table's cell.
                    unsafe {
                        if (*o).tag == Tag::Table {
                            let v = vm.heap.get_int((*o).as_ref(), i64::from(i.c));
                            if !v.is_nil() || vm.heap.meta((*o).as_ref()) == 0 {
                                put!(r!(i.a), v);
                                next!();
                            }
                        }
                    }
                }
                Op::SetField => set_field!(r!(i.a), k!(i.b), r!(i.c)),
                Op::SetFieldK => {
                    cold!();
                    set_field!(r!(i.a), k!(i.b), k!(i.c));
                }
                Op::SetIndex => set_index!(r!(i.a), r!(i.b), r!(i.c)),
                Op::SetIndexK => {
                    cold!();
                    set_index!(r!(i.a), r!(i.b), k!(i.c));
                }
                Op::SetInt => {
                    cold!();
                    let (o, v) = (r!(i.a), r!(i.c));
                    // SAFETY: registers.
                    unsafe {
                        if (*o).tag == Tag::Table
                            && (vm.heap.barrier == 0 || vm.heap.stores_freely(*v))
                            && vm.heap.replace_int((*o).as_ref(), i64::from(i.b), *v)
                        {
                            next!();
                        }
                    }
                }
                Op::SetTabUp => {
                    cold!();
                    // SAFETY: what verified code promises.
                    let table = unsafe { vm.heap.exec.upvalues.add(usize::from(i.a)) };
                    set_field!(table, k!(i.b), r!(i.c));
                }
                Op::SetTabUpK => {
                    cold!();
                    // SAFETY: what verified code promises.
                    let table = unsafe { vm.heap.exec.upvalues.add(usize::from(i.a)) };
                    set_field!(table, k!(i.b), k!(i.c));
                }
                Op::SelfField => {
                    cold!();
                    let o = r!(i.b);
                    // SAFETY: registers; R[A] may be R[B], so the receiver is put away first.
                    unsafe { *r!(i.a).add(1) = *o };
                    // SAFETY: as above.
                    get_field!(i, unsafe { r!(i.a).add(1) });
                    // SAFETY: a register and a constant.
                    if let Some(v) = unsafe { vm.type_method((*o).tag, (*k!(i.c)).payload) } {
                        put!(r!(i.a), v);
                        next!();
                    }
                }
                Op::Extra => {
                    cold!();
                    next!();
                }
                Op::GetBox => {
                    cold!();
                    let b = r!(i.b);
                    if tag!(b) == Tag::Box {
                        // SAFETY: a box's cell.
                        unsafe { *r!(i.a) = (*vm.heap.at::<BoxCell>((*b).as_ref())).value };
                        next!();
                    }
                }
                Op::SetBox => {
                    cold!();
                    let (b, v) = (r!(i.a), r!(i.b));
                    // SAFETY: registers and a box's cell.
                    unsafe {
                        if (*b).tag == Tag::Box
                            && (vm.heap.barrier == 0 || vm.heap.stores_freely(*v))
                        {
                            (*vm.heap.at::<BoxCell>((*b).as_ref())).value = *v;
                            next!();
                        }
                    }
                }
                Op::GetUp => {
                    cold!();
                    // SAFETY: what verified code promises.
                    unsafe { *r!(i.a) = *vm.heap.exec.upvalues.add(usize::from(i.b)) };
                    next!();
                }
                Op::GetUpBox => {
                    cold!();
                    // SAFETY: what verified code promises, and a box's cell.
                    unsafe {
                        let b = vm.heap.exec.upvalues.add(usize::from(i.b));
                        if (*b).tag == Tag::Box {
                            *r!(i.a) = (*vm.heap.at::<BoxCell>((*b).as_ref())).value;
                            next!();
                        }
                    }
                }
                Op::SetUp => {
                    cold!();
                    // SAFETY: what verified code promises, and a box's cell.
                    unsafe {
                        let (b, v) = (vm.heap.exec.upvalues.add(usize::from(i.a)), r!(i.b));
                        if (*b).tag == Tag::Box
                            && (vm.heap.barrier == 0 || vm.heap.stores_freely(*v))
                        {
                            (*vm.heap.at::<BoxCell>((*b).as_ref())).value = *v;
                            next!();
                        }
                    }
                }
                Op::LoadNil => {
                    cold!();
                    let mut n = 0;
                    while n < i.b {
                        put!(r!(u16::from(i.a) + n), Value::NIL);
                        n += 1;
                    }
                    next!();
                }
                Op::LoadFalse => {
                    cold!();
                    put!(r!(i.a), Value::boolean(false));
                    next!();
                }
                Op::LoadTrue => {
                    cold!();
                    put!(r!(i.a), Value::boolean(true));
                    next!();
                }
                Op::Add => arith!(i, r!(i.c), i64::wrapping_add, arith::add),
                Op::Sub => arith!(i, r!(i.c), i64::wrapping_sub, arith::sub),
                Op::Mul => {
                    cold!();
                    arith!(i, r!(i.c), i64::wrapping_mul, arith::mul);
                }
                Op::AddK => arith!(i, k!(i.c), i64::wrapping_add, arith::add),
                Op::SubK => {
                    cold!();
                    arith!(i, k!(i.c), i64::wrapping_sub, arith::sub);
                }
                Op::MulK => {
                    cold!();
                    arith!(i, k!(i.c), i64::wrapping_mul, arith::mul);
                }
                Op::Div => {
                    cold!();
                    divide!(i, r!(i.c));
                }
                Op::DivK => {
                    cold!();
                    divide!(i, k!(i.c));
                }
                Op::Mod => {
                    cold!();
                    floor!(i, r!(i.c), arith::floor_mod, arith::float_mod);
                }
                Op::IDiv => {
                    cold!();
                    floor!(i, r!(i.c), arith::floor_div, arith::float_floor_div);
                }
                Op::ModK => {
                    cold!();
                    floor!(i, k!(i.c), arith::floor_mod, arith::float_mod);
                }
                Op::IDivK => {
                    cold!();
                    floor!(i, k!(i.c), arith::floor_div, arith::float_floor_div);
                }
                Op::BAnd => ints!(i, r!(i.c), |x, y| x & y),
                Op::BOr => {
                    cold!();
                    ints!(i, r!(i.c), |x, y| x | y);
                }
                Op::BXor => {
                    cold!();
                    ints!(i, r!(i.c), |x, y| x ^ y);
                }
                Op::BAndK => ints!(i, k!(i.c), |x, y| x & y),
                Op::BOrK => {
                    cold!();
                    ints!(i, k!(i.c), |x, y| x | y);
                }
                Op::BXorK => {
                    cold!();
                    ints!(i, k!(i.c), |x, y| x ^ y);
                }
                Op::Shl => {
                    cold!();
                    ints!(i, r!(i.c), arith::shift_left);
                }
                Op::Shr => {
                    cold!();
                    ints!(i, r!(i.c), arith::shift_right);
                }
                Op::ShlK => {
                    cold!();
                    ints!(i, k!(i.c), arith::shift_left);
                }
                Op::ShrK => {
                    cold!();
                    ints!(i, k!(i.c), arith::shift_right);
                }
                Op::Unm => {
                    cold!();
                    let x = r!(i.b);
                    if tag!(x) == Tag::Int {
                        put!(r!(i.a), Value::int(int!(x).wrapping_neg()));
                        next!();
                    }
                    if tag!(x) == Tag::Float {
                        put!(r!(i.a), Value::float(-float!(x)));
                        next!();
                    }
                }
                Op::BNot => {
                    cold!();
                    let x = r!(i.b);
                    if tag!(x) == Tag::Int {
                        put!(r!(i.a), Value::int(!int!(x)));
                        next!();
                    }
                }
                Op::Not => {
                    cold!();
                    let truth = tag!(r!(i.b)) as u32 > Tag::False as u32;
                    put!(r!(i.a), Value::boolean(!truth));
                    next!();
                }
                Op::Len => {
                    cold!();
                    let x = r!(i.b);
                    // SAFETY: a register; a table's cell.
                    unsafe {
                        if (*x).tag == Tag::Table && vm.heap.meta((*x).as_ref()) == 0 {
                            put!(r!(i.a), Value::int(vm.heap.border((*x).as_ref())));
                            next!();
                        }
                    }
                }
                Op::JmpEq => equal!(i, r!(i.b), true),
                Op::JmpNe => equal!(i, r!(i.b), false),
                Op::JmpEqK => equal!(i, k!(i.imm()), true),
                Op::JmpNeK => equal!(i, k!(i.imm()), false),
                Op::JmpLt => compare!(i, i64::lt, Event::Lt, true),
                Op::JmpNLt => compare!(i, i64::lt, Event::Lt, false),
                Op::JmpLe => {
                    cold!();
                    compare!(i, i64::le, Event::Le, true);
                }
                Op::JmpNLe => {
                    cold!();
                    compare!(i, i64::le, Event::Le, false);
                }
                Op::JmpLtI => compare_immediate!(i, i64::lt, f64::lt, true),
                Op::JmpNLtI => compare_immediate!(i, i64::lt, f64::lt, false),
                Op::JmpLeI => {
                    cold!();
                    compare_immediate!(i, i64::le, f64::le, true);
                }
                Op::JmpNLeI => {
                    cold!();
                    compare_immediate!(i, i64::le, f64::le, false);
                }
                Op::JmpGtI => {
                    cold!();
                    compare_immediate!(i, i64::gt, f64::gt, true);
                }
                Op::JmpNGtI => {
                    cold!();
                    compare_immediate!(i, i64::gt, f64::gt, false);
                }
                Op::JmpGeI => {
                    cold!();
                    compare_immediate!(i, i64::ge, f64::ge, true);
                }
                Op::JmpNGeI => {
                    cold!();
                    compare_immediate!(i, i64::ge, f64::ge, false);
                }
                Op::TForLoop => {
                    cold!();
                    let a = r!(i.a);
                    // SAFETY: the loop has these registers.
                    unsafe {
                        if (*a.add(4)).is_nil() {
                            next!();
                        }
                        *a.add(2) = *a.add(4);
                    }
                    skip!(-i.imm());
                    burn!(i);
                }
                Op::TForCall => {
                    cold!();
                    let a = r!(i.a);
                    // SAFETY: the loop has these registers and room for a call behind them.
                    unsafe {
                        *a.add(4) = *a;
                        *a.add(5) = *a.add(1);
                        *a.add(6) = *a.add(2);
                        if (*a).tag == Tag::Native && vm.next_inline(a.add(4), i.c) {
                            next!();
                        }
                    }
                }
                Op::NewTable
                | Op::SetList
                | Op::NewBox
                | Op::Closure
                | Op::Concat
                | Op::Pow
                | Op::PowK
                | Op::TailCall
                | Op::Return
                | Op::ForPrep
                | Op::TForPrep
                | Op::VarArg
                | Op::Tbc
                | Op::Close => cold!(),
            }
            save!();
            // SAFETY: what verified code promises: an instruction.
            let flow = vm.slow_instruction(unsafe { *pc });
            go_on!(flow);
        }
    }
}

/// Sets `count` slots to nil.
///
/// # Safety
///
/// They are slots of the stack.
#[inline(never)]
unsafe fn fill_nil(at: *mut Value, count: u32) {
    for n in 0..count as usize {
        // SAFETY: the caller's promise: they are slots of the stack.
        unsafe { *at.add(n) = Value::NIL };
    }
}
