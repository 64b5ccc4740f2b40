// SPDX-License-Identifier: GPL-2.0-only
//! The memory of an environment: one region, two spaces.
//!
//! ```text
//! | the virtual machine's fixed part | cells ->          | bodies ->                |
//! 0                                  cells      cells_end bodies            bodies_end
//! ```
//!
//! *Cells* are blocks of 64 bytes (`cell`): one size only, so they cannot fragment, and they never
//! move, so a reference is an offset for life. *Bodies* hold what has a size of its own (bytes of
//! long strings, parts of tables, saved stacks, programs): each belongs to exactly one cell, is found
//! through it alone, and may move towards the start of its space, so bodies do not fragment either.
//!
//! Collection (`gc`, with `mark`, `weak` and `slide`) is incremental and paid for by allocation. A cycle
//! begins only at a safe point of the virtual machine, where everything that is in use is on its stack;
//! so a reference that a native function holds between two safe points stays good whatever it
//! allocates. Only where memory has run out a cycle begins in the midst of one: see
//! [`Heap::collect_within`]. A slice of a body never
//! outlives the borrow of the [`Heap`] that it came from, and nothing moves without `&mut Heap`.
//!
//! * this file — taking and giving back cells and bodies; `cell` — what is in a cell
//! * what lives here: `table`, `strings`, `objects` (closures and the like)
//! * the collector: `gc` — its cycle; `mark`; `weak`, `ephemerons` — the end of marking; `slide` — bodies
//! * `packets` — what a packet allocated, which may go at once
//!
//! # Invariants
//!
//! A [`Value`] with a reference tag, wherever a program can reach it, names a cell of the kind that
//! the tag says. The unsafe blocks of this module and of `vm` rely on it and on the layout above.
#![allow(unsafe_code)]
#![allow(
    clippy::arithmetic_side_effects,
    reason = "offsets stay below the region's size, which is below 4 GiB; nothing divides"
)]

pub mod cell;
mod ephemerons;
mod gc;
mod mark;
mod objects;
mod packets;
mod slide;
pub(crate) mod strings;
pub mod table;
mod weak;

use crate::value::{Ref, Tag, Value};
use crate::vm::Event;
use cell::{BODY_HEADER, BodyHeader, CELL, Header, INLINE_UPVALUES, Kind, LongCell, Node};
use core::cell::Cell;

pub use gc::{Phase, Roots};
pub use strings::MAX_STRING;
pub(crate) use strings::copy;

/// Stores must be told to the collector: a cycle marks.
pub const BARRIER_MARK: u8 = 1;
/// Stores must be looked at: a packet's young objects have not escaped yet.
pub const BARRIER_YOUNG: u8 = 2;

/// Memory has run out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OutOfMemory;

/// How much of it an environment uses.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// Bytes in use, garbage that no collection has met yet included.
    pub live: u64,
    /// The most that ever was.
    pub peak: u64,
    /// Collections that came to their end.
    pub collections: u64,
    /// The longest single step of the collector so far, in bytes looked at or moved.
    pub longest_step: u64,
}

/// The sizes of the spaces for a guaranteed amount of live memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Bytes for cells.
    pub cells: u32,
    /// Bytes for bodies.
    pub bodies: u32,
}

impl Sizes {
    /// What `memory` bytes of live data need.
    ///
    /// A cycle starts when at most a quarter is left of what may be garbage, and ends before the next
    /// quarter is allocated; what dies meanwhile waits for the next cycle. So up to half as much again
    /// may be in use; bodies also wait for the pass that closes their gaps, another half.
    pub fn of(memory: u64) -> Option<Self> {
        let cells = memory + memory / 2 + 4096;
        let bodies = memory * 2 + 4096;
        let round = |n: u64| u32::try_from(n.next_multiple_of(u64::from(CELL))).ok();
        Some(Self {
            cells: round(cells)?,
            bodies: round(bodies)?,
        })
    }
}

/// The memory of an environment.
#[repr(C)]
pub struct Heap {
    /// The region's first byte.
    base: *mut u8,
    /// `BARRIER_*`: what a store of a reference must heed.
    pub barrier: u8,
    /// The colour of this cycle, 1 or 2.
    color: u8,
    phase: Phase,
    compacting: bool,
    /// The collector wants a safe point.
    attention: bool,
    /// Cycles do not begin by themselves.
    stopped: bool,
    /// Everything is collected at every safe point.
    stress: bool,
    /// Every so manyth allocation is refused, 0 for none: for tests.
    refuse_every: u32,
    /// Allocations until the next one is refused.
    refuse_in: u32,
    /// No table counts as weak in this cycle.
    strong: bool,
    /// First free cell.
    free: Ref,
    cells: Ref,
    cells_top: Ref,
    cells_end: Ref,
    bodies: Ref,
    bodies_top: Ref,
    bodies_end: Ref,
    /// Number of the step at hand: see [`Heap::begin_step`].
    serial: u32,
    /// The number of the first step of the packet at hand.
    packet_serial: u32,
    /// Hash keys.
    seed: [u64; 2],
    /// The shared empty node.
    empty: Ref,
    /// The names of the events, with their hashes.
    pub events: [Value; Event::COUNT],
    /// Grey cells.
    gray: Ref,
    /// The cell whose contents are being marked, and how far that came.
    scan: gc::Scan,
    /// Tables with weak references, found in this cycle.
    weak: Ref,
    /// Entries of weak tables whose keys were marked after they waited for them.
    woken: Ref,
    /// Bytes of weak tables looked at since the end of marking began.
    looked: u64,
    /// Tables whose metatable has `__gc`.
    finalizable: Ref,
    /// Those of them that are garbage and wait for their finalizer.
    pub doomed: Ref,
    sweep: Ref,
    compact_from: Ref,
    compact_to: Ref,
    /// Where the bodies ended when the packet at hand began, or the next will begin.
    floor: Ref,
    /// The rest of how things stood then.
    before: Mark,
    /// Something was swept or marked since the packet began.
    pub stepped: bool,
    /// An object of this packet was stored into an older one.
    pub escaped: bool,
    used_cells: u64,
    used_bodies: u64,
    peak: u64,
    guarantee: u64,
    /// A cycle is wanted when this much is in use.
    threshold: u64,
    /// Bytes that may be allocated before the next step is due.
    credit: i64,
    /// Bytes allocated between two steps.
    stride: i64,
    /// Work per allocated byte in this cycle.
    pace: u64,
    /// The same for closing gaps between bodies.
    slide_pace: u64,
    /// Work done and not yet charged as fuel.
    pub work: u64,
    /// Fuel for comparing and reading long texts that is not yet charged.
    pub(crate) owed: Cell<u32>,
    marked: u64,
    collections: u64,
    longest_step: u64,
    /// The instruction pointer, constants and upvalues of the function that runs: they may point
    /// into a body, and then move with it.
    pub exec: Exec,
}

/// Pointers of the running function that a moving body takes along.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Exec {
    /// The next instruction.
    pub pc: *const crate::bytecode::word::Word,
    /// The constants.
    pub constants: *const Value,
}

/// Where the free list and the spaces stood when a packet began.
#[derive(Clone, Copy, Debug)]
struct Mark {
    free: Ref,
    cells_top: Ref,
    used_cells: u64,
    used_bodies: u64,
    credit: i64,
}

impl Heap {
    /// A heap in the part of a region that begins at `start`.
    ///
    /// # Safety
    ///
    /// `base` is the first byte of a region, 64-byte aligned, zeroed from `start` on for the length
    /// that `sizes` says, below 4 GiB in all, and nobody else's for as long as the heap lives.
    pub unsafe fn new(
        base: *mut u8,
        start: u32,
        sizes: Sizes,
        seed: [u64; 2],
        guarantee: u64,
    ) -> Self {
        // The shared empty node stands before the cells and is never written.
        let cells = start.next_multiple_of(CELL) + CELL;
        let bodies = cells + sizes.cells;
        Self {
            base,
            barrier: 0,
            color: 1,
            phase: Phase::Idle,
            compacting: false,
            attention: false,
            stopped: false,
            stress: false,
            refuse_every: 0,
            refuse_in: 0,
            strong: false,
            free: 0,
            cells,
            cells_top: cells,
            cells_end: bodies,
            bodies,
            bodies_top: bodies,
            bodies_end: bodies + sizes.bodies,
            serial: 0,
            packet_serial: 0,
            seed: [seed[0] | 1, seed[1] | 1],
            empty: cells - CELL,
            events: [Value::NIL; Event::COUNT],
            gray: 0,
            scan: gc::Scan::NONE,
            weak: 0,
            woken: 0,
            looked: 0,
            finalizable: 0,
            doomed: 0,
            sweep: 0,
            compact_from: 0,
            compact_to: 0,
            floor: 0,
            before: Mark {
                free: 0,
                cells_top: 0,
                used_cells: 0,
                used_bodies: 0,
                credit: 0,
            },
            stepped: false,
            escaped: false,
            used_cells: 0,
            used_bodies: 0,
            peak: 0,
            guarantee,
            threshold: gc::first_threshold(guarantee),
            credit: 0,
            stride: 2048,
            pace: 2,
            slide_pace: 4,
            work: 0,
            owed: Cell::new(0),
            marked: 0,
            collections: 0,
            longest_step: 0,
            exec: Exec {
                pc: core::ptr::null(),
                constants: core::ptr::null(),
            },
        }
    }

    /// Bytes that a heap needs from a multiple of 64 on.
    pub fn size(sizes: Sizes) -> u64 {
        u64::from(CELL) + u64::from(sizes.cells) + u64::from(sizes.bodies)
    }

    /// What is in use.
    pub fn usage(&self) -> Usage {
        let live = self.used_cells + self.used_bodies;
        Usage {
            live,
            peak: self.peak.max(live),
            collections: self.collections,
            longest_step: self.longest_step,
        }
    }

    /// A pointer to what lies at an offset of the region.
    #[inline(always)]
    pub(crate) fn at<T>(&self, r: Ref) -> *mut T {
        self.base.wrapping_add(r as usize).cast()
    }

    /// The header of a cell.
    #[inline(always)]
    pub(crate) fn header(&self, r: Ref) -> &Header {
        // SAFETY: references name cells of the region.
        unsafe { &*self.at(r) }
    }

    /// What kind of cell this is.
    #[inline(always)]
    pub fn kind(&self, r: Ref) -> Kind {
        self.header(r).kind
    }

    // --- cells -----------------------------------------------------------------------------------

    /// Takes a cell; its contents are what they were.
    #[inline]
    pub(crate) fn new_cell(&mut self, kind: Kind, flags: u16) -> Result<Ref, OutOfMemory> {
        self.credit -= i64::from(CELL);
        if self.credit < 0 {
            self.step(CELL)?;
        }
        if self.free == 0 {
            self.fresh_cell(kind, flags)
        } else {
            Ok(self.free_cell_for(kind, flags))
        }
    }

    /// Takes the first cell of the list of free ones, which has one.
    #[inline(always)]
    fn free_cell_for(&mut self, kind: Kind, flags: u16) -> Ref {
        let r = self.free;
        let next = self.header(r).next;
        self.free = next;
        self.used_cells += u64::from(CELL);
        let header = Header {
            kind,
            mark: self.color,
            flags,
            next,
            hash: 0,
            serial: self.serial,
        };
        // SAFETY: a free cell of the region.
        unsafe { self.at::<Header>(r).write(header) };
        r
    }

    /// Takes the first cell that was never used.
    #[cold]
    fn fresh_cell(&mut self, kind: Kind, flags: u16) -> Result<Ref, OutOfMemory> {
        if self.cells_top >= self.cells_end {
            self.collect_now();
            if self.free == 0 {
                return Err(OutOfMemory);
            }
            return Ok(self.free_cell_for(kind, flags));
        }
        let r = self.cells_top;
        self.cells_top += CELL;
        self.used_cells += u64::from(CELL);
        let header = Header {
            kind,
            mark: self.color,
            flags,
            next: 0,
            hash: 0,
            serial: self.serial,
        };
        // SAFETY: inside the space of cells.
        unsafe { self.at::<Header>(r).write(header) };
        Ok(r)
    }

    /// Gives a cell that nothing refers to back; its bodies are given back by the caller.
    pub(crate) fn free_cell(&mut self, r: Ref) {
        self.used_cells -= u64::from(CELL);
        let next = self.free;
        // SAFETY: a cell of the region that nothing refers to.
        unsafe {
            let header = self.at::<Header>(r);
            (*header).kind = Kind::Free;
            (*header).next = next;
        }
        self.free = r;
        self.stepped = true;
    }

    // --- bodies ----------------------------------------------------------------------------------

    /// The header of a body.
    fn body(&self, body: Ref) -> *mut BodyHeader {
        self.at(body - BODY_HEADER)
    }

    /// Bytes that a body can hold.
    pub(crate) fn body_capacity(&self, body: Ref) -> u32 {
        // SAFETY: bodies have a header before their data.
        unsafe { (*self.body(body)).size - BODY_HEADER }
    }

    /// Takes a body of at least `bytes` for a cell and writes its reference into the cell's field.
    /// The field must be without a body. The contents are undefined.
    pub(crate) fn new_body(
        &mut self,
        owner: Ref,
        field: u32,
        bytes: u64,
    ) -> Result<Ref, OutOfMemory> {
        let r = self.loose_body(owner, field, bytes)?;
        // SAFETY: the field lies inside the owner's cell.
        unsafe { *self.at::<Ref>(owner + field) = r };
        Ok(r)
    }

    /// Takes a body that its owner's field does not name yet. Until it does, nothing may allocate.
    pub(crate) fn loose_body(
        &mut self,
        owner: Ref,
        field: u32,
        bytes: u64,
    ) -> Result<Ref, OutOfMemory> {
        let room = u64::from(self.bodies_end - self.bodies);
        if bytes > room {
            return Err(OutOfMemory);
        }
        let size = (bytes as u32).next_multiple_of(16) + BODY_HEADER;
        self.credit -= i64::from(size);
        if self.credit < 0 {
            self.step(size)?;
        }
        if size > self.bodies_end - self.bodies_top {
            self.collect_now();
            if size > self.bodies_end - self.bodies_top {
                return Err(OutOfMemory);
            }
        }
        if !self.is_young(owner) {
            self.escaped = true;
        }
        let at = self.bodies_top;
        self.bodies_top += size;
        self.used_bodies += u64::from(size);
        // SAFETY: there is room for it at the top of the space.
        unsafe {
            self.at::<BodyHeader>(at).write(BodyHeader {
                owner,
                size,
                field,
                pad: 0,
            });
        };
        Ok(at + BODY_HEADER)
    }

    /// Gives a body back.
    pub(crate) fn free_body(&mut self, body: Ref) {
        if body == 0 || body == self.empty {
            return;
        }
        // SAFETY: bodies have a header before their data.
        let size = unsafe {
            (*self.body(body)).owner = 0;
            (*self.body(body)).size
        };
        self.used_bodies -= u64::from(size);
        let at = body - BODY_HEADER;
        // What was there before the packet cannot come back by its mark.
        self.stepped |= at < self.floor;
        if at + size == self.bodies_top && !self.compacting {
            self.bodies_top = at;
        }
    }

    /// Tries to make the body at the top of its space hold `bytes` where it is.
    pub(crate) fn extend_body(&mut self, body: Ref, bytes: u64) -> bool {
        let header = self.body(body);
        // SAFETY: bodies have a header before their data.
        let size = unsafe { (*header).size };
        let at = body - BODY_HEADER;
        if at + size != self.bodies_top || bytes > u64::from(self.bodies_end - self.bodies) {
            return false;
        }
        // The pass that closes gaps would take the new part for a body of its own.
        if self.compacting && at < self.compact_from {
            return false;
        }
        let wanted = (bytes as u32).next_multiple_of(16) + BODY_HEADER;
        if wanted <= size || wanted - size > self.bodies_end - self.bodies_top {
            return wanted <= size;
        }
        self.credit -= i64::from(wanted - size);
        self.used_bodies += u64::from(wanted - size);
        self.bodies_top = at + wanted;
        // SAFETY: as above; the room behind it was free.
        unsafe { (*header).size = wanted };
        // SAFETY: the owner of a body that is not garbage is a cell.
        if !self.is_young(unsafe { (*header).owner }) {
            self.escaped = true;
        }
        true
    }

    /// Shrinks a body to what `bytes` need.
    pub(crate) fn shrink_body(&mut self, body: Ref, bytes: u32) {
        let header = self.body(body);
        // SAFETY: bodies have a header before their data.
        unsafe {
            let wanted = bytes.next_multiple_of(16) + BODY_HEADER;
            let spare = (*header).size.saturating_sub(wanted);
            let at = body - BODY_HEADER;
            if spare == 0 {
                return;
            }
            (*header).size = wanted;
            self.used_bodies -= u64::from(spare);
            self.stepped |= at < self.floor;
            if at + wanted + spare == self.bodies_top && !self.compacting {
                self.bodies_top = at + wanted;
            } else {
                // The rest is a piece of garbage of its own.
                let rest = BodyHeader {
                    owner: 0,
                    size: spare,
                    field: 0,
                    pad: 0,
                };
                self.at::<BodyHeader>(at + wanted).write(rest);
            }
        }
    }

    // --- barriers ----------------------------------------------------------------------------------

    /// To be called before `old` inside the object `container` is replaced by `new`.
    #[inline(always)]
    pub(crate) fn store_barrier(&mut self, container: Ref, old: Value, new: Value) {
        if self.barrier != 0 {
            self.heed_store(container, old, new);
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn heed_store(&mut self, container: Ref, old: Value, new: Value) {
        if self.barrier & BARRIER_MARK != 0 {
            self.shade(old);
            self.shade(new);
        }
        if let Some(r) = reference(new)
            && self.is_young(r)
            && !self.is_young(container)
        {
            self.escaped = true;
        }
    }

    /// Whether a value can be stored without telling anybody although there is a barrier: it refers
    /// to nothing, and nothing is being marked that it could overwrite.
    #[inline(always)]
    pub(crate) fn stores_freely(&self, v: Value) -> bool {
        v.tag as u32 <= Tag::Float as u32 && self.barrier & BARRIER_MARK == 0
    }

    /// Whether `new` can be stored in place of `old` without telling anybody although there is a
    /// barrier: what is replaced or stored is nothing that marking has to know of. So loops that fill
    /// lists of numbers take the short way while a collection waits for the next allocation.
    #[inline(always)]
    pub(crate) fn replaces_freely(&self, old: Value, new: Value) -> bool {
        new.tag as u32 <= Tag::Float as u32
            && (old.tag as u32 <= Tag::Float as u32 || self.barrier & BARRIER_MARK == 0)
    }

    /// To be called for a value that goes into an object that is new.
    #[inline(always)]
    pub(crate) fn shade_new(&mut self, value: Value) {
        if self.barrier & BARRIER_MARK != 0 {
            self.shade(value);
        }
    }
}

/// The cell that a value refers to.
#[inline(always)]
pub(crate) fn reference(v: Value) -> Option<Ref> {
    match v.tag {
        Tag::Str
        | Tag::Table
        | Tag::Closure
        | Tag::Thread
        | Tag::Addr6
        | Tag::Object
        | Tag::Box => {
            let r = v.payload as Ref;
            (r != 0).then_some(r)
        }
        _ => None,
    }
}

/// Bytes of a hash part.
pub(crate) const fn nodes_size(mask: u32) -> u64 {
    (mask as u64 + 1) * size_of::<Node>() as u64
}

/// The cell field of a long string's body.
pub(crate) const LONG_BODY: u32 = core::mem::offset_of!(LongCell, body) as u32;
