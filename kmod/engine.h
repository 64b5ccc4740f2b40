/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The seam between the shim (C, knows the kernel) and engine.o (Rust, knows no kernel version).
 *
 * ps_*() without "host" are in engine.o and are called by the shim; ps_host_*() are in the shim
 * (kmod/host.c) and are called by the engine. The Rust twin is kmod/engine/src/host/mod.rs and
 * kmod/object/src/lib.rs; a test compares the layouts.
 *
 * Nothing here allocates: the shim hands the engine memory, and the engine stays inside it.
 * Nothing here locks: one environment is used by one caller at a time, and the shim sees to it.
 */
#ifndef PS_ENGINE_H
#define PS_ENGINE_H

#ifdef __KERNEL__
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef int64_t s64;
#endif

/* ---- compile -------------------------------------------------------------------------------- */

/* One text of a program: the script itself first, then the modules it requires. */
struct ps_chunk {
	const u8 *name;		/* "block.lua", as in messages; a module's name for require */
	size_t name_len;
	const u8 *text;
	size_t text_len;
};

/* Bytes of working memory that compiling these chunks may need (kvmalloc it; may be large). */
size_t ps_compile_workspace(const struct ps_chunk *chunks, size_t count);

/*
 * Compiles and verifies; seed, random, keys the compiler's own hashes. Returns the image's length in bytes (at work[0..], position
 * independent, immutable from here on), or -1 with a text such as "block.lua:12: …" in err.
 */
s64 ps_compile(const struct ps_chunk *chunks, size_t count, u64 seed, void *work, size_t work_len,
	       u8 *err, size_t err_len, size_t *err_used);

/* ---- environments --------------------------------------------------------------------------- */

/* A string pair of --arg KEY=VALUE. */
struct ps_arg {
	const u8 *key;
	size_t key_len;
	const u8 *value;
	size_t value_len;
};

struct ps_env_config {
	u64 memory;		/* bytes of live memory that are guaranteed */
	u64 load_fuel;		/* for the top level */
	u64 packet_fuel;	/* for each packet, unless ps_run() is told another */
	u64 error_pause;	/* ms after a packet's error in which others have no text */
	u8 seed[16];		/* random: keys of the hashes */
	const struct ps_arg *args;
	size_t arg_count;
	void *cookie;		/* given back to ps_host_print() */
};

/* Bytes of region that an environment needs for this image and this much live memory. */
size_t ps_env_region(const void *image, size_t image_len, u64 memory);

/*
 * Makes an environment inside region (16-byte aligned, zeroed, exactly ps_env_region() long) and
 * runs the top level. The image must outlive it. 0, or -1 with a text in err.
 */
int ps_env_create(void *region, size_t region_len, const void *image, size_t image_len,
		  const struct ps_env_config *config, u8 *err, size_t err_len, size_t *err_used);

/*
 * Looks a global function up and pins it. Returns a handle for ps_run() (>= 0; the same name gives
 * the same handle), or -1 with a text in err: no such global, not a function, too many (64).
 */
int ps_env_bind(void *region, const u8 *name, size_t name_len,
		u8 *err, size_t err_len, size_t *err_used);

/* The last error with its traceback (UTF-8 is not promised); returns its length, 0 if none. */
size_t ps_env_last_error(const void *region, u8 *buf, size_t len);

struct ps_env_usage {
	u64 live_bytes;		/* in use now, garbage included */
	u64 peak_bytes;
	u64 limit_bytes;	/* --memory */
	u64 region_bytes;
	u64 collections;	/* cycles completed */
	u32 poisoned;		/* a contained panic happened: every run answers PS_STATUS_POISONED */
	u32 pad;
};
void ps_env_usage(const void *region, struct ps_env_usage *out);

/* ---- packets -------------------------------------------------------------------------------- */

/*
 * What a script sees of one packet. The shim fills in the first part for every packet, the second,
 * behind known, when ps_host_describe() asks for it.
 */
struct ps_packet {
	void *skb;		/* given back to ps_host_*(); never looked into */
	u8 *data;		/* the network header */
	u32 linear;		/* bytes readable at data */
	u32 len;		/* bytes from the network header to the end of the packet */
	const void *state;	/* the shim's own: struct nf_hook_state and the like */
	u8 hook;		/* NF_INET_PRE_ROUTING 0 … POST_ROUTING 4 */
	u8 family;		/* NFPROTO_IPV4 2, NFPROTO_ARP 3, NFPROTO_NETDEV 5, NFPROTO_BRIDGE 7, NFPROTO_IPV6 10 */
	u8 flags;		/* PS_PACKET_* */
	u8 pad[5];

	u8 known;		/* what follows is filled in */
	u8 pad2[7];
	u8 *mac;		/* the Ethernet header, or NULL */
	u32 mark;		/* a copy; written through ps_host_set_mark() */
	u32 priority;		/* likewise */
	u32 iif;		/* interface index, 0 for none */
	u32 oif;
	u32 vlan;		/* hardware-accelerated tag: 0x10000 | tci, or 0 */
	u16 mac_len;		/* bytes readable at mac; 14, or 0 */
	u16 ethertype;		/* host order: 0x0800, 0x86dd, … */
	u8 pkttype;		/* PACKET_HOST 0, PACKET_BROADCAST 1, … */
	u8 pad3[7];
};
_Static_assert(sizeof(struct ps_packet) == 88 && offsetof(struct ps_packet, state) == 24 &&
		       offsetof(struct ps_packet, flags) == 34 &&
		       offsetof(struct ps_packet, known) == 40 &&
		       offsetof(struct ps_packet, mac) == 48 &&
		       offsetof(struct ps_packet, pkttype) == 80,
	       "struct ps_packet is the host module's Packet");
#define PS_PACKET_MATCH 1	/* called by a match: any true value matches */

enum ps_status {
	PS_STATUS_OK = 0,
	PS_STATUS_ERROR = 1,		/* a Lua error: text by ps_env_last_error() */
	PS_STATUS_FUEL = 2,		/* out of fuel: likewise */
	PS_STATUS_MEMORY = 3,		/* out of memory: likewise */
	PS_STATUS_POISONED = 4,		/* a contained panic, now or earlier */
};

enum ps_verdict {
	PS_CONTINUE = 0,
	PS_ACCEPT = 1,
	PS_DROP = 2,
	PS_QUEUE = 3,		/* operand: queue number | PS_QUEUE_BYPASS */
	PS_REJECT = 4,		/* operand: which answer (reserved: a later shim sends it) */
	PS_REPEAT = 5,		/* reserved */
	PS_STOLEN = 6,		/* reserved */
	PS_MATCH = 7,		/* a match: the value was true */
};
#define PS_QUEUE_BYPASS 0x10000u

/*
 * How a run ended. what: the verdict in the low byte, the status in the next, 16 bits of reason (0, or
 * 1 + index of the reason that was returned beside the verdict), 32 bits of operand; so a plain
 * verdict is its own number.
 */
struct ps_result {
	u64 what;
	u64 fuel;		/* used, in fuel units (about 50 machine instructions) */
};

#define PS_WHAT_VERDICT(what) ((u32)((what) & 0xff))
#define PS_WHAT_STATUS(what) ((u32)((what) >> 8 & 0xff))
#define PS_WHAT_REASON(what) ((u32)((what) >> 16 & 0xffff))
#define PS_WHAT_OPERAND(what) ((u32)((what) >> 32))

/*
 * Runs the function behind handle on the packet. fuel, below 2^63; 0 means the environment's own
 * limit. Never sleeps, never allocates from the kernel; uses at most PS_RUN_STACK bytes of stack.
 * Panics are contained: the environment is poisoned and status says so.
 */
struct ps_result ps_run(void *region, int handle, struct ps_packet *packet, u64 fuel);
#define PS_RUN_STACK 6656

/* ---- timers ---------------------------------------------------------------------------------- */

struct ps_timed {
	u32 status;		/* enum ps_status, when a timer ran */
	u32 ran;		/* 1: one was due and ran */
	u64 next;		/* when the next one is due, as ps_host_now_ms() counts; or PS_NEVER */
	u64 fuel;		/* used */
};
#define PS_NEVER (~0ull)

/*
 * Runs the timer that is due, if one is, with the fuel of a packet. As for a packet: never sleeps,
 * and panics are contained.
 */
void ps_timer(void *region, struct ps_timed *out);

/* The text of reason number i of this environment, for i < 64; returns its length. */
size_t ps_env_reason(const void *region, u32 i, u8 *buf, size_t len);

/* ---- what the engine asks of the kernel ------------------------------------------------------- */

/* Milliseconds of the kernel's tick clock since boot. */
u64 ps_host_now_ms(void);
/* Seconds since the epoch, for os.time. */
s64 ps_host_unix_time(void);
/*
 * A top level has run for a while: lets others run; false when it is to end. Called inside
 * ps_env_create() alone.
 */
bool ps_host_breathe(void);
/* Fills in the packet's second part and sets known. */
void ps_host_describe(struct ps_packet *packet);
/* Copies packet bytes that lie beyond the linear part. 0, or -1 beyond the end. */
int ps_host_read(const struct ps_packet *packet, u32 offset, u8 *to, u32 len);
/*
 * Makes the first len bytes from the network header linear and private, so that they may be
 * written; refreshes packet->data and packet->linear. 0, or -1 (no memory).
 */
int ps_host_make_writable(struct ps_packet *packet, u32 len);
/*
 * Replaces old_len bytes at offset by new_len bytes of room (contents undefined). 0, and then what
 * is in front of the room's end is linear and private, so that making it writable cannot fail; or -1.
 */
int ps_host_resize(struct ps_packet *packet, u32 offset, u32 old_len, u32 new_len);
void ps_host_set_mark(struct ps_packet *packet, u32 mark);
void ps_host_set_priority(struct ps_packet *packet, u32 priority);
/* Interface name: which = 0 for in, 1 for out. Returns its length (0: none); buf holds 16. */
size_t ps_host_ifname(const struct ps_packet *packet, u32 which, u8 *buf);
/*
 * True when the checksum field at this offset holds only the pseudo header's sum, to be completed later
 * (CHECKSUM_PARTIAL). Of a packet in a tunnel that may be another packet's field than the outer one's.
 */
bool ps_host_csum_partial(const struct ps_packet *packet, u32 field);
/*
 * Before the bytes from offset on are replaced: a checksum among them that was to be completed later is
 * completed now, and no later. 0, or -1 (no memory, or there is more than one packet in this one).
 */
int ps_host_csum_settle(struct ps_packet *packet, u32 offset);
/*
 * What is known of the connection that the packet belongs to. 0, or -1 for nothing: the kernel tracks
 * none, or the packet fits none.
 */
struct ps_tuple {
	u8 src[16];		/* an IPv4 address is the first four bytes */
	u8 dst[16];
	u16 sport;		/* host order; of ICMP the identifier, and type and code */
	u16 dport;
};

struct ps_conntrack {
	u32 state;		/* enum ps_ct_state */
	u32 mark;
	u8 family;		/* NFPROTO_IPV4 or NFPROTO_IPV6; 0: not tracked, and nothing but state is known */
	u8 proto;
	u8 pad[2];
	struct ps_tuple tuples[2];	/* the first packet's direction, and what answers look like */
};

enum ps_ct_state {
	PS_CT_NEW = 0,
	PS_CT_ESTABLISHED = 1,
	PS_CT_RELATED = 2,
	PS_CT_UNTRACKED = 3,
};

int ps_host_conntrack(const struct ps_packet *packet, struct ps_conntrack *out);
/* The number that listings of connections show. */
u32 ps_host_conntrack_id(const struct ps_packet *packet);
/* 0, or -1: not tracked, or connections have no marks here. */
int ps_host_conntrack_mark(const struct ps_packet *packet, u32 mark);
/*
 * A timer of the environment will be due at due_ms: call ps_timer() then, or a little later. Comes
 * while the environment runs, its top level included.
 */
void ps_host_timer(void *cookie, u64 due_ms);
/*
 * Stores: memory outside environments, by name, that environments share. ps_host_store_open() gives a
 * handle for this environment (>= 0; the same name gives the same one), to memory of that size, all
 * zero, unless there is one of that name; it stays for as long as an environment that opened it. Or -1
 * (no memory), -2 (not now: only while the top level runs), -3 (too many). Between lock and unlock
 * the memory is the caller's alone; NULL for a handle that is none.
 */
int ps_host_store_open(void *cookie, const u8 *name, size_t name_len, u64 size);
u8 *ps_host_store_lock(void *cookie, u32 handle, size_t *len);
void ps_host_store_unlock(void *cookie, u32 handle);
/* A line of print() or p:log(); packet is NULL at load. Must not call back into the engine. */
void ps_host_print(void *cookie, const struct ps_packet *packet, const u8 *text, size_t len);
/* A contained panic's place, for one log line. */
void ps_host_panicked(const u8 *text, size_t len);
/*
 * Where the running context's innermost call into the engine keeps its way out of a panic:
 * PS_ENTRY_SIZE bytes, for calls with a region the beginning of that region. The shim notes each
 * call before it makes it (frame.c).
 */
void *ps_host_entry(void);
#define PS_ENTRY_SIZE 192

#endif /* PS_ENGINE_H */
