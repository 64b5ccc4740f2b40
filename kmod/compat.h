/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels that we build for, 5.10 and later; nothing else looks at versions. */
#ifndef PS_COMPAT_H
#define PS_COMPAT_H

#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(5, 10, 0)
#error "PacketScript needs Linux 5.10 or later"
#endif

#ifndef CONFIG_64BIT
#error "PacketScript's engine exists for 64-bit kernels only"
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#include <linux/unaligned.h>
#else
#include <asm/unaligned.h>
#endif

/*
 * Kernels zero every variable on the stack; what a packet fills in whole is exempt, where the
 * compiler can say so.
 */
#if __has_attribute(__uninitialized__)
#define ps_uninitialized __attribute__((__uninitialized__))
#else
#define ps_uninitialized
#endif

/* From this operation on the reserved fields of the header are checked. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 1, 0)
#define PS_GENL_RESV_START .resv_start_op = __PS_CMD_MAX,
#else
#define PS_GENL_RESV_START
#endif

#endif /* PS_COMPAT_H */
