/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The engine is compiled for kernels that guard indirect calls and returns. Others do not have what
 * it then calls: it gets plain jumps and returns here, as the rest of such a kernel does.
 */
#include <linux/linkage.h>

#if !defined(CONFIG_RETPOLINE) && !defined(CONFIG_MITIGATION_RETPOLINE)
SYM_FUNC_START(__x86_indirect_thunk_r11)
	jmp *%r11
SYM_FUNC_END(__x86_indirect_thunk_r11)
#endif

#if !defined(CONFIG_RETHUNK) && !defined(CONFIG_MITIGATION_RETHUNK)
SYM_FUNC_START(__x86_return_thunk)
	ret
	int3
SYM_FUNC_END(__x86_return_thunk)
#endif
