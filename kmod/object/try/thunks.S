/* SPDX-License-Identifier: GPL-2.0-only */
/* What a kernel has for calls and returns, in its plainest form. */
	.globl __x86_return_thunk
__x86_return_thunk:
	ret

	.globl __x86_indirect_thunk_r11
__x86_indirect_thunk_r11:
	jmp *%r11

	.section .note.GNU-stack, "", @progbits
