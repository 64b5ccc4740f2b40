// SPDX-License-Identifier: GPL-2.0-only
//! The way into the engine, and out of a panic.
//!
//! Rust code for the kernel cannot unwind. So each way in saves where it is (callee-saved registers
//! on the stack, the stack pointer in an [`Entry`]), and the panic handler goes back there: what ran
//! in between is abandoned as it stands. Its environment is never entered again, and nothing in the
//! engine owns anything outside of its region, so nothing else is harmed.

use core::ffi::c_void;

use packetscript_engine::host::Status;

/// `PS_ENTRY_SIZE`: what the shim has room for, at the beginning of a region and elsewhere.
pub const ENTRY_SIZE: usize = 128;

/// State of one way in; its beginning is known to the assembly below.
#[repr(C, align(16))]
pub struct Entry {
    stack: u64,
    poisoned: u32,
    text_len: u32,
    text: [u8; ENTRY_SIZE - 16],
}

const _: () =
    assert!(size_of::<Entry>() == ENTRY_SIZE && core::mem::offset_of!(Entry, poisoned) == 8);

impl Entry {
    /// Whether a panic went through here: the memory behind it may be half-changed.
    pub fn poisoned(&self) -> bool {
        self.poisoned != 0
    }

    /// What the panic said.
    pub fn text(&self) -> &[u8] {
        self.text.get(..self.text_len as usize).unwrap_or(&[])
    }

    /// Remembers a panic.
    pub fn poison(&mut self, text: &[u8]) {
        let len = text.len().min(self.text.len());
        if let (Some(to), Some(from)) = (self.text.get_mut(..len), text.get(..len)) {
            to.copy_from_slice(from);
        }
        self.text_len = len as u32;
        self.poisoned = 1;
    }
}

unsafe extern "C" {
    /// Calls `f(data)`. If that panics, stores [`Status::Poisoned`] in `*status` and returns.
    fn ps_contain(
        data: *mut c_void,
        f: extern "C" fn(*mut c_void),
        entry: *mut Entry,
        unused: u64,
        status: *mut u32,
    );
    /// Returns from the way in whose entry this is, as after a panic.
    ///
    /// # Safety
    ///
    /// The way in has not returned yet, and the running code was called from it.
    pub fn ps_escape(entry: *mut Entry) -> !;
}

// Both ways in have one frame, so one way out serves both: seven registers, the last of them the
// place of the status (fifth argument). ps_run(region, handle, packet, fuel, result): the entry is
// the region's beginning, the status the result's.
//
// The notes to objtool: the way out changes the stack pointer by other means than calls.
core::arch::global_asm!(
    r#"
    .section .text.ps_contain, "ax", @progbits
    .globl ps_run
    .type ps_run, @function
    .p2align 4
ps_run:
    endbr64
    cmp dword ptr [rdi + 8], 0
    jne 3f
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push r8
    mov [rdi], rsp
    call ps_run_inside
2:  add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    jmp __x86_return_thunk
3:  mov qword ptr [r8], {poisoned}
    mov qword ptr [r8 + 8], 0
    mov qword ptr [r8 + 16], 0
    jmp __x86_return_thunk
    .size ps_run, . - ps_run

    .globl ps_contain
    .type ps_contain, @function
    .p2align 4
ps_contain:
    endbr64
    push rbp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push r8
    mov [rdx], rsp
    mov r11, rsi
    call __x86_indirect_thunk_r11
    add rsp, 8
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    jmp __x86_return_thunk
    .size ps_contain, . - ps_contain

    .globl ps_escape
    .type ps_escape, @function
    .p2align 4
ps_escape:
    endbr64
    mov rsp, [rdi]
    pop r8
    mov dword ptr [r8], {poisoned}
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    jmp __x86_return_thunk
    .size ps_escape, . - ps_escape

    .section .discard.func_stack_frame_non_standard, "aw", @progbits
    .p2align 3
    .quad ps_escape
    .previous
"#,
    poisoned = const Status::Poisoned as u32,
);

/// Runs `f`; `None` if it panicked. Values that `f` was the owner of are then never dropped.
pub fn contained<R>(entry: &mut Entry, f: impl FnOnce() -> R) -> Option<R> {
    struct Call<F, R> {
        f: Option<F>,
        result: Option<R>,
    }
    extern "C" fn run<F: FnOnce() -> R, R>(data: *mut c_void) {
        // SAFETY: contained() passes its own Call, which nobody else looks at meanwhile.
        let call = unsafe { &mut *data.cast::<Call<F, R>>() };
        if let Some(f) = call.f.take() {
            call.result = Some(f());
        }
    }
    fn runner<F: FnOnce() -> R, R>(_: &Call<F, R>) -> extern "C" fn(*mut c_void) {
        run::<F, R>
    }

    let mut call = Call {
        f: Some(f),
        result: None,
    };
    let mut status = Status::Ok as u32;
    let f = runner(&call);
    // SAFETY: the call and the status outlive it; the entry is used by this way in alone until it
    // returns, as the shim promises for each slot.
    unsafe { ps_contain((&raw mut call).cast(), f, entry, 0, &raw mut status) };
    if status == Status::Ok as u32 {
        call.result
    } else {
        None
    }
}
