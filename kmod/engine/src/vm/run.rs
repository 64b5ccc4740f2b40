// SPDX-License-Identifier: GPL-2.0-only
//! The loop over instructions.
//!
//! An arm does what is short and goes on with the next instruction; an arm that ends without doing so
//! leaves its instruction to a function that does it whole, [`Vm::slow_instruction`] or one of its own.
//! So there is one way out of the loop and back, and what the loop keeps in variables is good until
//! then: `pc` and `constants` are read again after it, because a body may have moved; `base` and
//! `frame` change only with the function, for the stacks never move.
//!
//! The function that runs is in the slot below its registers: its upvalues are found from there. A
//! Lua function that `Call` called leaves its result there too.
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
use super::operate::{float_of, holds};
use super::{Event, FIRST, Frame, FrameKind, PLAIN, TAIL, Vm};
use crate::bytecode::op::Op;
use crate::bytecode::word::Word;
use crate::memory::cell::{BoxCell, Header, Kind, ProtoCell};
use crate::number::arith;
use crate::value::{Tag, Value};
use core::hint::cold_path;

/// Flags of a frame that say nothing about returning.
const ORDINARY: u8 = TAIL | PLAIN;

/// [`Frame::way`] of a Lua function that `Call` called for this many results.
const fn plain_call(wanted: u16) -> u32 {
    wanted as u32 | (FrameKind::Lua as u32) << 16 | (PLAIN as u32) << 24
}

/// [`Frame::way`] of the function that a packet is given to.
const FIRST_CALL: u32 = 2 | (FrameKind::Lua as u32) << 16 | (FIRST as u32) << 24;

impl Frame {
    /// What becomes of the results: how many are wanted, what runs here, and the flags.
    #[inline(always)]
    fn way(&self) -> u32 {
        u32::from(self.wanted as u16) | (self.kind as u32) << 16 | u32::from(self.flags) << 24
    }
}

impl Vm {
    /// Runs the Lua function in the topmost frame, and those it calls, until something else is on top.
    #[inline(never)]
    pub(crate) fn interpret(&mut self) -> Left {
        let f = *self.this();
        // SAFETY: a frame of a Lua function, and its prototype.
        unsafe {
            let p: *const ProtoCell = self.heap.at(f.proto);
            let pc = (*p).code.add(f.pc as usize);
            self.execute(pc, self.slot(f.base), (*p).constants)
        }
    }

    /// The same from an instruction of that function on, with its first register and its constants.
    /// Packets have a copy of the loop of their own, so that their way there is no call.
    #[allow(
        unused_unsafe,
        reason = "the macros are used inside and outside of unsafe blocks"
    )]
    #[inline(always)]
    pub(crate) fn execute(
        &mut self,
        mut pc: *const Word,
        mut base: *mut Value,
        mut constants: *const Value,
    ) -> Left {
        let vm = self;
        let mut frame: *mut Frame = vm.this_mut();

        // Goes on in the function of `frame`.
        macro_rules! go_on_in_frame {
            () => {
                // SAFETY: a frame of a Lua function, and its prototype.
                unsafe {
                    let p: *const ProtoCell = vm.heap.at((*frame).proto);
                    pc = (*p).code.add((*frame).pc as usize);
                    constants = (*p).constants;
                    base = vm.slot((*frame).base);
                }
            };
        }
        macro_rules! save {
            () => {{
                save_place!();
                vm.standing = 0;
            }};
        }
        // The same ahead of what knows by itself when the function that stands is none any more.
        macro_rules! save_place {
            () => {{
                // SAFETY: a frame of a Lua function; both point into its code.
                unsafe {
                    let next = pc.add(1);
                    vm.heap.exec.pc = next;
                    vm.heap.exec.constants = constants;
                    (*frame).pc = next.offset_from(vm.proto((*frame).proto).code) as u32;
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
        // Registers and constants by their operands, which count words.
        macro_rules! r {
            ($n:expr) => {
                // SAFETY: what verified code promises.
                unsafe { base.cast::<u64>().add($n as usize).cast::<Value>() }
            };
        }
        macro_rules! k {
            ($n:expr) => {
                // SAFETY: what verified code promises.
                unsafe { constants.cast::<u64>().add($n as usize).cast::<Value>() }
            };
        }
        // Register A of a long instruction.
        macro_rules! long_a {
            ($i:expr) => {
                // SAFETY: what verified code promises.
                unsafe { base.add(usize::from($i.x)) }
            };
        }
        macro_rules! imm {
            ($i:expr) => {
                // SAFETY: the last four of the eight bytes, which are aligned to eight.
                unsafe { *core::ptr::from_ref($i).cast::<i32>().add(1) }
            };
        }
        // The upvalues of the function that runs, which is right below its registers.
        macro_rules! up {
            ($n:expr) => {
                // SAFETY: what verified code promises.
                unsafe {
                    let values = vm.heap.upvalues((*base.sub(1)).as_ref());
                    values.cast::<u64>().add($n as usize).cast::<Value>()
                }
            };
        }
        // Where the contents of a box are.
        macro_rules! in_box {
            ($b:expr) => {
                &raw mut (*vm.heap.at::<BoxCell>((*$b).as_ref())).value
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
            ($price:expr) => {{
                vm.fuel -= i64::from($price);
                if vm.fuel < 0 {
                    cold_path();
                    save!();
                    break vm.refuel_at_jump().map(|()| Flow::Next);
                }
                next!();
            }};
        }
        macro_rules! branch {
            ($by:expr, $cond:expr) => {{
                if $cond {
                    skip!($by);
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
        // Bits, with an integer constant.
        macro_rules! ints_k {
            ($i:expr, $int:expr) => {{
                let x = r!($i.b);
                if tag!(x) == Tag::Int {
                    put!(r!($i.a), Value::int($int(int!(x), int!(k!($i.c)))));
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
            ($i:expr, $y:expr, $int:expr, $float:expr, $short:expr) => {{
                let (x, y) = (r!($i.b), $y);
                if tag!(x) == Tag::Int && tag!(y) == Tag::Int && int!(y) != 0 {
                    put!(r!($i.a), Value::int($int(int!(x), int!(y))));
                    next!();
                }
                if tag!(x) == Tag::Float && tag!(y) == Tag::Float && $short(float!(x), float!(y)) {
                    put!(r!($i.a), Value::float($float(float!(x), float!(y))));
                    next!();
                }
            }};
        }
        macro_rules! equal_immediate {
            ($i:expr, $wanted:expr) => {{
                let x = long_a!($i);
                if tag!(x) == Tag::Int {
                    branch!($i.a, (int!(x) == i64::from(imm!($i))) == $wanted);
                }
                let equal = tag!(x) == Tag::Float && float!(x) == f64::from(imm!($i));
                branch!($i.a, equal == $wanted);
            }};
        }
        macro_rules! compare_immediate {
            ($i:expr, $int:expr, $float:expr, $wanted:expr) => {{
                let x = long_a!($i);
                if tag!(x) == Tag::Int {
                    branch!($i.a, $int(&int!(x), &i64::from(imm!($i))) == $wanted);
                }
                if tag!(x) == Tag::Float {
                    branch!($i.a, $float(&float!(x), &f64::from(imm!($i))) == $wanted);
                }
            }};
        }
        macro_rules! compare {
            ($i:expr, $int:expr, $float:expr, $event:expr, $wanted:expr) => {{
                let (x, y) = (r!($i.a), r!($i.b));
                if tag!(x) == Tag::Int && tag!(y) == Tag::Int {
                    branch!($i.c, $int(&int!(x), &int!(y)) == $wanted);
                }
                if tag!(x) == Tag::Float && tag!(y) == Tag::Float {
                    branch!($i.c, $float(&float!(x), &float!(y)) == $wanted);
                }
                // SAFETY: registers.
                if let Some(order) = vm.order_at(unsafe { &*x }, unsafe { &*y }) {
                    branch!($i.c, holds($event, order) == $wanted);
                }
            }};
        }
        // Equality without metamethods: `None` when one may have a say.
        macro_rules! equal {
            ($x:expr, $y:expr, $by:expr, $wanted:expr) => {{
                let (x, y) = ($x, $y);
                // SAFETY: registers or constants.
                unsafe {
                    if (*x).tag == Tag::Int && (*y).tag == Tag::Int {
                        branch!($by, ((*x).payload == (*y).payload) == $wanted);
                    }
                    if let Some(same) = vm.equal_at(&*x, &*y) {
                        branch!($by, same == $wanted);
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
                        let node = vm.heap.find_constant(t, (*key).payload);
                        if !node.is_null() && !(*node).value.is_nil() {
                            Value::copy(&raw const (*node).value, r!($i.a));
                            next!();
                        }
                        if vm.get_far(t, (*key).payload, r!($i.a)) {
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
                    if (*o).tag == Tag::Table && !(*v).is_nil() {
                        let t = vm.heap.table((*o).as_ref());
                        let node = vm.heap.find_constant(t, (*key).payload);
                        if !node.is_null()
                            && !(*node).value.is_nil()
                            && (vm.heap.barrier == 0 || vm.heap.replaces_freely((*node).value, *v))
                        {
                            Value::copy(v, &raw mut (*node).value);
                            next!();
                        }
                    } else if (*o).tag == Tag::Packet && vm.set_packet_field(&*o, (*key).aux, &*v) {
                        next!();
                    }
                }
            }};
        }
        macro_rules! get_index {
            ($i:expr, $key:expr) => {{
                let (o, key) = (r!($i.b), $key);
                // SAFETY: registers; a table's cell.
                unsafe {
                    if (*o).tag == Tag::Table {
                        let t = (*o).as_ref();
                        if (*key).tag == Tag::Int {
                            let slot = vm.heap.listed(t, (*key).as_int());
                            if !slot.is_null() {
                                Value::copy(slot, r!($i.a));
                                next!();
                            }
                        }
                        if vm.index_far(t, &*key, r!($i.a)) {
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
                    if (*o).tag == Tag::Table {
                        let t = (*o).as_ref();
                        if (*key).tag == Tag::Int {
                            let slot = vm.heap.listed(t, (*key).as_int());
                            if slot.is_null() {
                                // In its place there is nil or nothing.
                                if (vm.heap.barrier == 0 || vm.heap.replaces_freely(Value::NIL, *v))
                                    && vm.heap.list(t, (*key).as_int(), &*v)
                                {
                                    next!();
                                }
                            } else if !(*v).is_nil()
                                && (vm.heap.barrier == 0 || vm.heap.replaces_freely(*slot, *v))
                            {
                                Value::copy(v, slot);
                                next!();
                            }
                        } else if (vm.heap.barrier == 0 || vm.heap.stores_freely(*v))
                            && vm.store_far(t, &*key, &*v)
                        {
                            next!();
                        }
                    }
                }
            }};
        }
        // Goes back to the Lua function that called the one that runs.
        macro_rules! leave {
            () => {{
                // SAFETY: there is a frame below.
                frame = unsafe { frame.sub(1) };
                vm.depth -= 1;
                go_on_in_frame!();
                continue;
            }};
        }
        // A return to a Lua function that wants a fixed number of results, or to the host.
        macro_rules! return_short {
            ($store:expr) => {{
                // SAFETY: the frame on top and the one below it.
                unsafe {
                    let f = frame;
                    let caller = f.sub(1);
                    if (*f).flags & !ORDINARY == 0
                        && matches!((*caller).kind, FrameKind::Lua | FrameKind::Host)
                        && (*f).wanted >= 0
                    {
                        let to = vm.slot((*f).func);
                        let wanted = (*f).wanted as u32;
                        let store: Option<*const Value> = $store;
                        let n = match store {
                            Some(v) if wanted != 0 => {
                                Value::copy(v, to);
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
                        if (*caller).kind == FrameKind::Host {
                            // A message about what was returned names the line.
                            save!();
                            vm.depth -= 1;
                            vm.top = (*f).func + wanted;
                            return Left::LEAVE;
                        }
                        leave!();
                    }
                }
            }};
        }

        macro_rules! return_one {
            ($i:expr) => {{
                let v = r!($i.a);
                // SAFETY: the frame on top, a register and the function's slot.
                unsafe {
                    let way = (*frame).way();
                    if way == plain_call(1) {
                        Value::copy(v, base.sub(1));
                        leave!();
                    }
                    if way == plain_call(0) {
                        leave!();
                    }
                    if way == FIRST_CALL
                        && tag!(v) == Tag::Verdict
                        && let Some(left) = Left::plain((*v).payload)
                    {
                        return left;
                    }
                }
                return_short!(Some(v.cast_const()));
            }};
        }

        loop {
            let flow = loop {
                // SAFETY: what verified code promises: an instruction.
                let i = unsafe { &*pc };
                // SAFETY: verified code has known operations only.
                let op: Op = unsafe { core::mem::transmute::<u8, Op>(i.op) };
                match op {
                    Op::PktNo => {
                        // SAFETY: a register.
                        let o = unsafe { *long_a!(i) };
                        match vm.packet.fast_has(o, i.b) {
                            Some(true) => {
                                let tested = i.x;
                                skip!(3);
                                // What follows is usually a test of a field of it, of the same packet.
                                // SAFETY: what verified code promises: an instruction.
                                let f = unsafe { &*pc };
                                if f.op == Op::PktNeI as u8 && f.x == tested {
                                    let n = vm.packet.int(f.c);
                                    if let Some(n) = n {
                                        skip!(if n == u32::from(f.b) { 2 } else { f.a });
                                    }
                                    next!();
                                }
                                continue;
                            }
                            Some(false) => skip!(i.a),
                            None => {}
                        }
                        next!();
                    }
                    Op::PktNeI => {
                        // SAFETY: a register.
                        let o = unsafe { *long_a!(i) };
                        if let Some(n) = vm.packet.fast_int(o, i.c) {
                            skip!(if n == u32::from(i.b) { 2 } else { i.a });
                        }
                        next!();
                    }
                    Op::GetField2 => {
                        // SAFETY: a register.
                        let o = unsafe { *r!(i.b) };
                        if let Some(v) = vm.packet.fast_path(o, u16::from(i.x)) {
                            put!(r!(i.a), v);
                            next!();
                        }
                    }
                    Op::GetField => get_field!(i, r!(i.b)),
                    Op::JmpNeI => equal_immediate!(i, false),
                    Op::JmpEqI => equal_immediate!(i, true),
                    Op::Move => {
                        // SAFETY: registers.
                        unsafe { Value::copy(r!(i.b), r!(i.a)) };
                        next!();
                    }
                    Op::JmpF => branch!(i.c, tag!(r!(i.a)) as u32 <= Tag::False as u32),
                    Op::JmpT => branch!(i.c, tag!(r!(i.a)) as u32 > Tag::False as u32),
                    Op::Return0 => {
                        // SAFETY: the frame on top.
                        let way = unsafe { (*frame).way() };
                        if way == plain_call(0) {
                            leave!();
                        }
                        if way == FIRST_CALL
                            && let Some(left) = Left::plain(0)
                        {
                            return left;
                        }
                        return_short!(None);
                    }
                    Op::Return1 => {
                        return_one!(i);
                        // The usual one of the others: a native function waits for it.
                        save!();
                        break vm.slow_return(u32::from(i.a) >> 1, 2, false);
                    }
                    Op::LoadK => {
                        // SAFETY: a register and a constant.
                        unsafe { Value::copy(k!(imm!(i)), r!(i.a)) };
                        if cfg!(feature = "user") {
                            next!();
                        }
                        skip!(1);
                        // What packets end with: `return ACCEPT`.
                        // SAFETY: what verified code promises: an instruction.
                        let i = unsafe { &*pc };
                        if i.op != Op::Return1 as u8 {
                            continue;
                        }
                        return_one!(i);
                    }
                    Op::LoadI => {
                        put!(r!(i.a), Value::int(i64::from(imm!(i))));
                        next!();
                    }
                    Op::GetTabUp => get_field!(i, up!(i.b)),
                    Op::Call => {
                        let a = r!(i.a);
                        // SAFETY: inside the stack; frames below the limit.
                        unsafe {
                            if (*a).tag == Tag::Closure && i.b != 0 {
                                let closure: *const Header = vm.heap.at((*a).as_ref());
                                let proto = (*closure).hash;
                                let p: *const ProtoCell = vm.heap.at(proto);
                                let func = a.offset_from(vm.stack) as u32;
                                // A native function's number is no prototype.
                                if (*closure).kind == Kind::Closure
                                    && func + (*p).need < vm.stack_soft
                                    && vm.depth + 2 < vm.frame_limit
                                    && vm.fuel >= i64::from((*p).fuel)
                                {
                                    vm.fuel -= i64::from((*p).fuel);
                                    vm.depth += 1;
                                    let mut given = u32::from(i.b);
                                    while given <= u32::from((*p).parameters) {
                                        *a.add(given as usize) = Value::NIL;
                                        given += 1;
                                    }
                                    let code = vm.proto((*frame).proto).code;
                                    (*frame).pc = pc.offset_from(code) as u32 + 1;
                                    frame = frame.add(1);
                                    (*frame).base = func + 1;
                                    (*frame).func = func;
                                    (*frame).proto = proto;
                                    (*frame).extra = 0;
                                    // Both halves, for a frame is read by words.
                                    (&raw mut (*frame).failed).cast::<u32>().write(0);
                                    (*frame).place = 0;
                                    // As one word, for it is read as one.
                                    let way = plain_call(i.c.wrapping_sub(1));
                                    (&raw mut (*frame).wanted).cast::<u32>().write(way);
                                    pc = (*p).code;
                                    base = a.add(1);
                                    constants = (*p).constants;
                                    continue;
                                }
                            }
                            let func = a.offset_from(vm.stack) as u32;
                            if (*a).tag == Tag::Native
                                && i.c == 2
                                && i.b != 0
                                && vm.call_quick(func, u32::from(i.b) - 1, (*a).payload as u32)
                            {
                                next!();
                            }
                            save_place!();
                            let count = match i.b {
                                0 => vm.top - func - 1,
                                b => u32::from(b) - 1,
                            };
                            let wanted = i.c.wrapping_sub(1) as i16;
                            if (*a).tag == Tag::Native {
                                let number = (*a).payload as u32;
                                break vm.call_native(func, count, wanted, number);
                            }
                            vm.standing = 0;
                            break vm.call_slow(func, count, wanted);
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
                        let counter = long_a!(i);
                        // SAFETY: four registers belong to the loop.
                        unsafe {
                            if (*counter).tag == Tag::Int {
                                let left = (*counter.add(1)).payload;
                                if left == 0 {
                                    next!();
                                }
                                let next =
                                    (*counter).as_int().wrapping_add((*counter.add(2)).as_int());
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
                        // Nothing of an instruction is needed any more when the next one is told: the two
                        // share a register of the machine.
                        let price = i.a;
                        skip!(imm!(i));
                        burn!(price);
                    }
                    Op::ForPrep => {
                        let start = r!(i.a);
                        // SAFETY: four registers belong to the loop.
                        unsafe {
                            let (limit, step) = (start.add(1), start.add(2));
                            if (*start).tag == Tag::Int
                                && (*limit).tag == Tag::Int
                                && (*step).tag == Tag::Int
                                && (*step).payload == 1
                            {
                                if int!(start) > int!(limit) {
                                    branch!(imm!(i), true);
                                }
                                Value::copy(start, start.add(3));
                                (*limit).payload = (*limit).payload.wrapping_sub((*start).payload);
                                next!();
                            }
                        }
                    }
                    Op::Jmp => {
                        let price = i.a;
                        skip!(imm!(i));
                        burn!(price);
                    }
                    Op::GetIndex => get_index!(i, r!(i.c)),
                    Op::GetInt => get_index!(i, &Value::int(i64::from(i.c))),
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
                        set_index!(r!(i.a), &Value::int(i64::from(i.b)), r!(i.c));
                    }
                    Op::SetTabUp => {
                        cold!();
                        let table = up!(i.a);
                        set_field!(table, k!(i.b), r!(i.c));
                    }
                    Op::SetTabUpK => {
                        cold!();
                        let table = up!(i.a);
                        set_field!(table, k!(i.b), k!(i.c));
                    }
                    Op::SelfField => {
                        let o = r!(i.b);
                        // SAFETY: registers; R[A] may be R[B], so the receiver is put away first.
                        unsafe { Value::copy(o, r!(i.a).add(1)) };
                        // SAFETY: as above.
                        get_field!(i, unsafe { r!(i.a).add(1) });
                        // SAFETY: a register and a constant.
                        if unsafe { vm.type_method(*o, (*k!(i.c)).payload, r!(i.a)) } {
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
                            unsafe { Value::copy(in_box!(b), r!(i.a)) };
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
                                Value::copy(v, in_box!(b));
                                next!();
                            }
                        }
                    }
                    Op::GetUp => {
                        // SAFETY: what verified code promises.
                        unsafe { Value::copy(up!(i.b), r!(i.a)) };
                        next!();
                    }
                    Op::GetUpBox => {
                        cold!();
                        // SAFETY: what verified code promises, and a box's cell.
                        unsafe {
                            let b = up!(i.b);
                            if (*b).tag == Tag::Box {
                                Value::copy(in_box!(b), r!(i.a));
                                next!();
                            }
                        }
                    }
                    Op::SetUp => {
                        cold!();
                        // SAFETY: what verified code promises, and a box's cell.
                        unsafe {
                            let (b, v) = (up!(i.a), r!(i.b));
                            if (*b).tag == Tag::Box
                                && (vm.heap.barrier == 0 || vm.heap.stores_freely(*v))
                            {
                                Value::copy(v, in_box!(b));
                                next!();
                            }
                        }
                    }
                    Op::LoadNil => {
                        cold!();
                        let mut n = 0;
                        while n < i.b {
                            put!(r!(i.a + 2 * n), Value::NIL);
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
                    #[cfg(feature = "user")]
                    Op::Add => arith!(i, r!(i.c), i64::wrapping_add, arith::add),
                    #[cfg(not(feature = "user"))]
                    Op::Add => {
                        let (x, y) = (r!(i.b), r!(i.c));
                        if tag!(x) == Tag::Int && tag!(y) == Tag::Int {
                            put!(r!(i.a), Value::int(int!(x).wrapping_add(int!(y))));
                            skip!(1);
                            // What loops end with: a sum, and once more.
                            // SAFETY: what verified code promises: an instruction.
                            let i = unsafe { &*pc };
                            if i.op != Op::ForLoop as u8 {
                                continue;
                            }
                            let counter = long_a!(i);
                            // SAFETY: four registers belong to the loop.
                            unsafe {
                                let left = (*counter.add(1)).payload;
                                if (*counter).tag != Tag::Int || left == 0 {
                                    continue;
                                }
                                let next =
                                    (*counter).as_int().wrapping_add((*counter.add(2)).as_int());
                                (*counter.add(1)).payload = left - 1;
                                (*counter).payload = next as u64;
                                *counter.add(3) = Value::int(next);
                            }
                            let price = i.a;
                            skip!(imm!(i));
                            burn!(price);
                        }
                        arith!(i, r!(i.c), i64::wrapping_add, arith::add);
                    }
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
                        floor!(
                            i,
                            r!(i.c),
                            arith::floor_mod,
                            arith::float_mod,
                            arith::are_near
                        );
                    }
                    Op::IDiv => {
                        cold!();
                        floor!(
                            i,
                            r!(i.c),
                            arith::floor_div,
                            arith::float_floor_div,
                            |_, _| true
                        );
                    }
                    Op::ModK => {
                        cold!();
                        floor!(
                            i,
                            k!(i.c),
                            arith::floor_mod,
                            arith::float_mod,
                            arith::are_near
                        );
                    }
                    Op::IDivK => {
                        cold!();
                        floor!(
                            i,
                            k!(i.c),
                            arith::floor_div,
                            arith::float_floor_div,
                            |_, _| true
                        );
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
                    Op::BAndK => ints_k!(i, |x, y| x & y),
                    Op::BOrK => {
                        cold!();
                        ints_k!(i, |x, y| x | y);
                    }
                    Op::BXorK => {
                        cold!();
                        ints_k!(i, |x, y| x ^ y);
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
                        ints_k!(i, arith::shift_left);
                    }
                    Op::ShrK => {
                        cold!();
                        ints_k!(i, arith::shift_right);
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
                    Op::JmpEq => equal!(r!(i.a), r!(i.b), i.c, true),
                    Op::JmpNe => equal!(r!(i.a), r!(i.b), i.c, false),
                    Op::JmpEqK => equal!(long_a!(i), k!(imm!(i)), i.a, true),
                    Op::JmpNeK => equal!(long_a!(i), k!(imm!(i)), i.a, false),
                    Op::JmpLt => compare!(i, i64::lt, f64::lt, Event::Lt, true),
                    Op::JmpNLt => compare!(i, i64::lt, f64::lt, Event::Lt, false),
                    Op::JmpLe => {
                        cold!();
                        compare!(i, i64::le, f64::le, Event::Le, true);
                    }
                    Op::JmpNLe => {
                        cold!();
                        compare!(i, i64::le, f64::le, Event::Le, false);
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
                        let a = long_a!(i);
                        // SAFETY: the loop has these registers.
                        unsafe {
                            if (*a.add(4)).is_nil() {
                                next!();
                            }
                            Value::copy(a.add(4), a.add(2));
                        }
                        let price = i.a;
                        skip!(imm!(i));
                        burn!(price);
                    }
                    Op::TForCall => {
                        cold!();
                        let a = r!(i.a);
                        // SAFETY: the loop has these registers and room for a call behind them.
                        unsafe {
                            Value::copy(a, a.add(4));
                            Value::copy(a.add(1), a.add(5));
                            Value::copy(a.add(2), a.add(6));
                            if (*a).tag == Tag::Native && vm.next_inline(a.add(4), i.c) {
                                next!();
                            }
                            save!();
                            let func = a.add(4).offset_from(vm.stack) as u32;
                            break vm.call_slow(func, 2, i.c as i16);
                        }
                    }
                    Op::NewTable => {
                        cold!();
                        save!();
                        let (a, items, fields) = i.counts();
                        break vm.make_table(a, items, fields);
                    }
                    Op::SetList => {
                        cold!();
                        save!();
                        break vm.slow_set_list(*i);
                    }
                    Op::NewBox => {
                        cold!();
                        save!();
                        break vm.make_box(i.counts().0);
                    }
                    Op::Closure => {
                        cold!();
                        save!();
                        break vm.make_closure(i.counts().0, imm!(i) as u32);
                    }
                    Op::Concat => {
                        cold!();
                        save!();
                        let (a, count, _) = i.counts();
                        break vm.slow_concat(a, count);
                    }
                    Op::Return => {
                        cold!();
                        save!();
                        let (a, count, closing) = i.counts();
                        break vm.slow_return(a, count, closing != 0);
                    }
                    Op::TailCall => {
                        cold!();
                        save!();
                        let (a, count, closing) = i.counts();
                        break vm.slow_tail_call(a, count, closing != 0);
                    }
                    Op::VarArg => {
                        cold!();
                        save!();
                        let (a, _, wanted) = i.counts();
                        break vm.copy_varargs(a, wanted);
                    }
                    Op::Pow | Op::PowK | Op::TForPrep | Op::Tbc | Op::Close => cold!(),
                }
                save!();
                // SAFETY: what verified code promises: an instruction.
                break vm.slow_instruction(unsafe { *pc });
            };
            match flow {
                Ok(Flow::Next) => {
                    pc = vm.heap.exec.pc;
                    constants = vm.heap.exec.constants;
                }
                Ok(Flow::Frame) if vm.this().kind == FrameKind::Lua => {
                    frame = vm.this_mut();
                    go_on_in_frame!();
                }
                Ok(other) => return Left::with(other),
                Err(raise) => return Left::raised(raise),
            }
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
