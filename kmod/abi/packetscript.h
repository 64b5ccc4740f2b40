/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * What crosses the border between user space and xt_LUA.ko: the rule's layout, the generic-netlink
 * family, the columns of /proc. The Rust twin is kmod/abi/src; a test compares the two.
 *
 * PS_ABI goes up whenever anything here changes its meaning or its layout. Module, plugin and
 * pstui tell each other their number first, and refuse with a sentence.
 */
#ifndef PACKETSCRIPT_H
#define PACKETSCRIPT_H

#include <linux/types.h>

#define PS_ABI 1

/* ---- limits ----------------------------------------------------------------------------------- */

#define PS_NAME_LEN 32			/* of a script, of a function; with the final NUL */
#define PS_PATH_MAX 4096		/* of the path a script came from, with the final NUL */
#define PS_SOURCE_MAX (1u << 20)	/* default of module parameter max_source, bytes over all chunks */
#define PS_SOURCE_PIECE 32768		/* of source in one attribute */
#define PS_CHUNKS_MAX 64		/* the script and its modules */
#define PS_ARGS_MAX 64			/* --arg KEY=VALUE */
#define PS_FUEL_DEFAULT 100000ull	/* a packet; 1 fuel is about 50 machine instructions */
#define PS_LOAD_FUEL_DEFAULT 100000000ull
#define PS_MEMORY_DEFAULT (1ull << 20)	/* bytes of live memory */
#define PS_MEMORY_MIN (64ull << 10)
#define PS_ERROR_MAX 4096		/* bytes of an error text, traceback included */

/* ---- a rule: the target's data ------------------------------------------------------------------ */

enum ps_on_error { PS_ON_ERROR_DROP = 0, PS_ON_ERROR_ACCEPT = 1, PS_ON_ERROR_CONTINUE = 2 };
enum ps_scope { PS_SCOPE_SHARED = 0, PS_SCOPE_CPU = 1 };

/*
 * struct xt_lua_tginfo - targinfo of "LUA", revision 0, and matchinfo of "lua"
 *
 * User space compares the first part only (userspacesize ends at rule_id); the kernel gives the
 * first two parts back (usersize ends at kernel), so a table that legacy iptables writes back
 * carries each rule's id along.
 */
struct xt_lua_tginfo {
	__u32 abi;		/* PS_ABI */
	__u32 flags;		/* zero */
	char name[PS_NAME_LEN];
	char function[PS_NAME_LEN];	/* "process_packet" by default */
	__u32 state;		/* which environment of the version */
	__u8 on_error;		/* enum ps_on_error */
	__u8 scope;		/* enum ps_scope */
	__u8 pad[2];		/* zero */
	__aligned_u64 fuel;	/* a packet; 0: default of the module */
	__aligned_u64 memory;	/* live bytes; 0: default of the module */
	/* ---- userspacesize ends here ---- */
	__aligned_u64 rule_id;	/* 0 in a new rule; given by the kernel */
	__aligned_u64 stage_id;	/* what PS_CMD_STAGE answered; 0: the newest version of name */
	/* ---- usersize ends here ---- */
	__aligned_u64 kernel;	/* a kernel pointer, never shown */
};

/* ---- generic netlink ------------------------------------------------------------------------------ */

#define PS_GENL_NAME "packetscript"
#define PS_GENL_VERSION 1
#define PS_GENL_GROUP_EVENTS "events"

/*
 * Every request carries PS_A_ABI first. Every one that changes something needs CAP_NET_ADMIN in
 * the initial user namespace. An error is an ordinary netlink error (ack with -errno); where there
 * is a text, a message PS_CMD_ERROR with PS_A_TEXT comes before the ack, with the request's
 * sequence number. Set NETLINK_CAP_ACK and NETLINK_EXT_ACK on the socket.
 */
enum ps_cmd {
	PS_CMD_UNSPEC,
	PS_CMD_HELLO,		/* -> PS_A_ABI, PS_A_VERSION (module version text) */
	/*
	 * Compile, and hold the version for this socket until the socket closes: NAME, PATH,
	 * SOURCE…, [ARG…], [TGINFO] -> STAGE, HASH, [TEXT: a notice, such as that older rules keep
	 * their version]. A rule's checkentry takes it by stage_id, as many rules as like, while
	 * the socket is open; what nobody took is then freed. The same hash is shared, not
	 * compiled again. With TGINFO (a rule that is about to come; SOURCE may then be absent, and
	 * the newest version of NAME is meant) the environment of that rule is made and its
	 * function looked up at once, so that what fails there is answered with a text.
	 */
	PS_CMD_STAGE,
	/* As STAGE, and keeps it loaded without rules until PS_CMD_UNLOAD. -> HASH, [TEXT] */
	PS_CMD_LOAD,
	/* NAME: forget what LOAD keeps; -EBUSY with a text while rules use it. */
	PS_CMD_UNLOAD,
	/*
	 * As LOAD, and moves every rule of NAME to the new version at once; packets in flight
	 * finish on the old one. -> HASH, COUNT (rules moved), [TEXT]
	 */
	PS_CMD_RELOAD,
	/*
	 * NAME, [HASH] or RULE; [FLAGS: PS_GET_*] -> NAME, PATH, HASH, FLAGS, SOURCE…, ARG…. The
	 * newest version of NAME by default; RULE is the version that this rule runs.
	 */
	PS_CMD_GET,
	PS_CMD_ERROR,		/* kernel to user only: PS_A_TEXT */
	PS_CMD_EVENT,		/* kernel to user only, multicast: PS_A_EVENT, NAME, HASH, TEXT, … */
	PS_CMD_RESET,		/* [NAME]: counters of the rules to zero */
	__PS_CMD_MAX
};

enum ps_attr {
	PS_A_UNSPEC,
	PS_A_PAD,
	PS_A_ABI,		/* u32 */
	PS_A_VERSION,		/* NUL-terminated text */
	PS_A_NAME,		/* NUL-terminated, at most PS_NAME_LEN with the NUL */
	PS_A_PATH,		/* NUL-terminated, absolute; absent when there is none */
	/*
	 * nested, repeated, in order: PS_A_CHUNK_NAME, PS_A_CHUNK_TEXT. A text over
	 * PS_SOURCE_PIECE bytes goes on in further PS_A_SOURCE with the same CHUNK_NAME. The first
	 * chunk is the script, the others are modules by the name that require is given.
	 */
	PS_A_SOURCE,
	PS_A_CHUNK_NAME,	/* NUL-terminated */
	PS_A_CHUNK_TEXT,	/* bytes */
	PS_A_ARG,		/* NUL-terminated "KEY=VALUE", repeated */
	PS_A_STAGE,		/* u64 */
	PS_A_HASH,		/* u64: the first 8 bytes, big-endian, of a SHA-256 over chunks and arguments */
	PS_A_COUNT,		/* u32 */
	PS_A_FLAGS,		/* u32: PS_SCRIPT_* */
	PS_A_TEXT,		/* NUL-terminated */
	PS_A_EVENT,		/* u32: enum ps_event */
	PS_A_RULE,		/* u64: rule id */
	PS_A_PROGRAM,		/* NUL-terminated: comm of the process behind an event */
	PS_A_UID,		/* u32 */
	PS_A_TGINFO,		/* struct xt_lua_tginfo */
	__PS_A_MAX
};

#define PS_SCRIPT_KEPT 1u	/* PS_CMD_LOAD keeps it */
#define PS_SCRIPT_NEWEST 2u	/* what a rule by name alone gets */

#define PS_GET_BRIEF 1u		/* without SOURCE */

enum ps_event {
	PS_EVENT_LOAD = 1,
	PS_EVENT_UNLOAD,
	PS_EVENT_RELOAD,
	PS_EVENT_ERROR,
	PS_EVENT_PRINT,
};

/* ---- /proc/net/packetscript ----------------------------------------------------------------------- */

/*
 * Each file: a first line "packetscript ABI FILE", a line of column names, then rows; all
 * separated by tabs. Text columns escape tab, newline, backslash and non-printing bytes as \xHH;
 * an empty text is "-". Counters are u64 in decimal. Readers find columns by name and ignore
 * those that they do not know.
 *
 * scripts: a row per version
 *   name hash path flags(kept,newest or -) rules envs loaded(seconds since the epoch) by(comm)
 *   uid bytes(source) memory(live bytes of all environments) limit packets errors last_error
 * rules: a row per rule
 *   id name hash function state family(ipv4|ipv6|arp|bridge) table hooks(comma-separated names)
 *   on_error scope fuel_limit packets bytes accept drop continue queue reject repeat stolen errors
 *   fuel time(ns, sampled)
 *   hooks are those that can reach the rule, as the kernel knows them; "-" in an nft user chain.
 * hooks: a row per family and hook (ipv4 and ipv6: PREROUTING INPUT FORWARD OUTPUT POSTROUTING)
 *   family hook rules packets bytes accept drop continue queue errors
 *   counted where the packet was seen; rules counts those that can be reached from the hook.
 */
#define PS_PROC_DIR "packetscript"
#define PS_PROC_SCRIPTS "scripts"
#define PS_PROC_RULES "rules"
#define PS_PROC_HOOKS "hooks"

#endif /* PACKETSCRIPT_H */
