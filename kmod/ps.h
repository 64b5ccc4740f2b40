/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the shim share. One file, one concept:
 *
 *   main.c      the module's parameters, its beginning and end
 *   net.c       what a network namespace has
 *   target.c    "LUA" as xtables sees it
 *   rule.c      rules: identity over table rewrites, counters
 *   run.c       a packet meets a rule
 *   registry.c  versions of scripts; stages
 *   env.c       environments: memory in which a version runs
 *   control.c   the generic-netlink family
 *   source.c    source texts and arguments as they come and go by netlink
 *   event.c     what is told to listeners and to the kernel's log
 *   proc.c      /proc/net/packetscript
 *   host.c      what the engine asks of the kernel
 *   conntrack.c what connection tracking knows of a packet
 *   timer.c     timers of scripts
 *   store.c     memory that environments share by name
 *   frame.c     who is inside the engine
 *   text.c      texts in the making
 *
 * Locks, outer first: ps_net.load_lock (one compilation or environment in the making),
 * ps_net.lock (the lists), ps_env.lock (a packet in the engine), ps_store.lock (its look into a
 * store). The first two sleep.
 *
 * Life: a rule holds a binding (swapped under RCU), a binding an environment, an environment its
 * version, a version its ps_net. Packets hold nothing: they run under RCU, and memory goes after a
 * grace period, by a work item.
 */
#ifndef PS_H
#define PS_H

#include <linux/bottom_half.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/netfilter.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/ratelimit.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "abi/packetscript.h"
#include "engine.h"

#define PS_FAMILIES 2		/* IPv4, IPv6 */
#define PS_OUTCOMES 8		/* enum ps_verdict up to PS_STOLEN, then PS_OUTCOME_ERROR */
#define PS_OUTCOME_ERROR 7
#define PS_STORES_MAX 17	/* names that a script declares, and the waiting hellos of TLS */
#define PS_DEPTH_MAX 3		/* runs of a task inside one another */

struct genl_family;
struct net;
struct proc_dir_entry;
struct sk_buff;
struct sock;

/* ---- text ------------------------------------------------------------------------------------ */

/**
 * struct ps_text - a text in the making: an error for the loader, or what a script printed
 * @at: the bytes; always NUL-terminated
 * @used: without the NUL
 * @room: size of the buffer
 *
 * What does not fit is cut.
 */
struct ps_text {
	char *at;
	size_t used;
	size_t room;
};

int ps_text_init(struct ps_text *text, size_t room);
void ps_text_free(struct ps_text *text);
__printf(2, 3) void ps_text_add(struct ps_text *text, const char *format, ...);
void ps_text_put(struct ps_text *text, const u8 *bytes, size_t len);

/* ---- main.c ---------------------------------------------------------------------------------- */

/**
 * struct ps_param - a module parameter between limits
 */
struct ps_param {
	u64 value;
	u64 min;
	u64 max;
};

extern struct ps_param ps_max_source;
extern struct ps_param ps_fuel;
extern struct ps_param ps_max_fuel;
extern struct ps_param ps_load_fuel;
extern struct ps_param ps_memory;
extern struct ps_param ps_max_memory;
extern struct ps_param ps_net_memory;
extern unsigned int ps_proc_gid;
extern struct workqueue_struct *ps_workqueue;

/* ---- counters -------------------------------------------------------------------------------- */

/**
 * struct ps_counts - what became of packets
 * @outcome: by verdict of the script; one that ended in an error counts as PS_OUTCOME_ERROR alone,
 *           so that their sum is the number of packets
 * @pad: to a power of two, for one of these is looked up for every packet
 */
struct ps_counts {
	u64 bytes;
	u64 outcome[PS_OUTCOMES];
	u64 fuel;
	u64 time;
	u64 pad[5];
};

/* ---- net.c ----------------------------------------------------------------------------------- */

/**
 * struct ps_net - PacketScript in one network namespace
 * @refs: the namespace, versions and rules; destroy callbacks come after the namespace's exit
 * @net: NULL once the namespace is gone; under @lock
 * @load_lock: one compilation or environment in the making
 * @lock: everything below
 * @versions: oldest first
 * @memory: bytes of all regions
 * @gone: counters of rules that are gone
 */
struct ps_net {
	refcount_t refs;
	struct net *net;
	struct mutex load_lock;
	struct mutex lock;
	struct list_head versions;
	struct list_head stages;
	struct list_head stores;
	struct xarray rules;
	unsigned long last_rule;
	u64 last_taken;
	u64 memory;
	struct ps_counts gone[PS_FAMILIES][NF_INET_NUMHOOKS];
	struct proc_dir_entry *proc;
};

struct ps_net *ps_net_of(const struct net *net);
void ps_net_put(struct ps_net *pn);
int ps_net_init(void);
void ps_net_exit(void);

/* ---- source.c -------------------------------------------------------------------------------- */

/**
 * struct ps_source - a script with its modules and arguments, in one allocation
 */
struct ps_source {
	size_t chunk_count;
	size_t arg_count;
	size_t bytes;
	u8 digest[32];
	struct ps_chunk chunks[PS_CHUNKS_MAX];
	struct ps_arg args[PS_ARGS_MAX];
	u8 texts[];
};

struct genl_info;
struct ps_source *ps_source_read(struct genl_info *info, struct ps_text *err);
int ps_source_write(struct sk_buff *to, const struct ps_source *source, bool brief);
size_t ps_source_room(const struct ps_source *source, bool brief);
u64 ps_source_hash(const struct ps_source *source);

/* ---- registry.c ------------------------------------------------------------------------------ */

/**
 * struct ps_version - one content of a script
 * @refs: memory: the registry and each environment
 * @users: rules, stages and LOAD; under ps_net.lock, as all that follows; none: it is forgotten
 * @taken: when a rule or LOAD took it, by order; 0: only staged. The highest of a name is the
 *         newest, which a rule that gives a name alone gets
 * @kept_env: made by LOAD, so that errors of the top level come to light at once
 * @gone: counters of environments that are gone
 */
struct ps_version {
	struct list_head list;
	refcount_t refs;
	struct ps_net *pn;
	unsigned int users;
	unsigned int rules;
	bool kept;
	u64 taken;
	struct ps_env *kept_env;
	struct list_head envs;
	u64 gone_packets;
	u64 gone_errors;
	struct ratelimit_state log;
	/* constant from here on */
	char name[PS_NAME_LEN];
	char *path;
	u64 hash;
	struct ps_source *source;
	void *image;
	size_t image_len;
	time64_t loaded;
	char by[TASK_COMM_LEN];
	u32 uid;
};

/**
 * struct ps_stage - a version that a netlink socket holds for rules to come
 */
struct ps_stage {
	struct list_head list;
	u64 id;
	u32 portid;
	struct ps_version *version;
	struct ps_env *env;
};

struct ps_version *ps_version_load(struct ps_net *pn, const char *name, const char *path,
				   struct ps_source **source, struct ps_text *err);
struct ps_version *ps_version_for(struct ps_net *pn, const char *name, u32 portid);
void ps_version_take(struct ps_version *version);
bool ps_version_is_newest(const struct ps_version *version);
struct ps_version *ps_version_find(struct ps_net *pn, const char *name, const u64 *hash);
struct ps_version *ps_version_staged(struct ps_net *pn, u64 stage_id, const char *name);
void ps_version_put_user(struct ps_version *version);
void ps_version_put(struct ps_version *version);
void ps_version_notice(struct ps_version *version, struct ps_text *out);
int ps_version_keep(struct ps_version *version, struct ps_text *err, struct ps_text *out);
int ps_version_unload(struct ps_net *pn, const char *name, struct ps_text *err);
int ps_version_reload(struct ps_version *version, u32 *moved, struct ps_text *err,
		      struct ps_text *out);
u64 ps_stage_add(struct ps_version *version, struct ps_env *env, u32 portid);
void ps_stage_release(struct ps_net *pn, u32 portid);
void ps_registry_clear(struct ps_net *pn);

/* ---- frame.c --------------------------------------------------------------------------------- */

/**
 * struct ps_frame - one entry into the engine
 * @outer: the one before it on this CPU (or in the list of slow ones)
 * @slot: where the engine keeps the state of this entry, for the day it panics: of a packet the
 *        environment's region, and so its identity
 * @task: who is inside; kept on PREEMPT_RT and for slow entries only, see frame.c
 */
struct ps_frame {
	struct ps_frame *outer;
	void *slot;
	struct task_struct *task;
};

DECLARE_PER_CPU(struct ps_frame *, ps_frame_top);
bool ps_frame_refused(const void *slot);
void ps_frame_remove_rt(struct ps_frame *frame);
void ps_frame_enter_slow(struct ps_frame *frame, void *slot);
void ps_frame_leave_slow(struct ps_frame *frame);

/**
 * ps_frame_may_enter - whether the running task may enter this environment
 * @slot: the environment's region
 *
 * Whoever is inside holds a lock and cannot change CPUs, so a task that sees no frame on the CPU at
 * hand has none anywhere. Ask before taking the environment's lock: its holder may be this task.
 */
static __always_inline bool ps_frame_may_enter(const void *slot)
{
	return likely(!this_cpu_read(ps_frame_top)) || !ps_frame_refused(slot);
}

/**
 * ps_frame_enter - a packet enters the engine
 * @frame: the environment's own
 *
 * The caller holds the environment's lock until after ps_frame_leave(), and so stays on this CPU.
 */
static __always_inline void ps_frame_enter(struct ps_frame *frame)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT)) {
		frame->task = current;
		preempt_disable();
	}
	frame->outer = __this_cpu_read(ps_frame_top);
	__this_cpu_write(ps_frame_top, frame);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		preempt_enable();
}

/**
 * ps_frame_leave - and leaves it
 * @frame: as entered
 */
static __always_inline void ps_frame_leave(struct ps_frame *frame)
{
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		ps_frame_remove_rt(frame);
	else
		__this_cpu_write(ps_frame_top, frame->outer);
	frame->outer = NULL;
}

/**
 * ps_frame_is_first - whether a packet comes in the usual way: bottom halves are off, which keeps
 * the task on its CPU, and no packet is in the engine there
 */
static __always_inline bool ps_frame_is_first(void)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) && softirq_count() && !__this_cpu_read(ps_frame_top);
}

/**
 * ps_frame_enter_first - ps_frame_enter() of such a packet
 * @frame: the environment's own; nothing is outside of it
 */
static __always_inline void ps_frame_enter_first(struct ps_frame *frame)
{
	__this_cpu_write(ps_frame_top, frame);
}

/**
 * ps_frame_leave_first - and ps_frame_leave()
 */
static __always_inline void ps_frame_leave_first(void)
{
	__this_cpu_write(ps_frame_top, NULL);
}

/* ---- env.c ----------------------------------------------------------------------------------- */

/**
 * struct ps_mail - what an environment has to tell, until its work item gets to it
 */
struct ps_mail {
	unsigned int print_used;
	unsigned int print_lost;
	unsigned int error_used;
	unsigned int error_lost;
	char print[2048];
	char error[1024];
};

/**
 * struct ps_env - memory in which a version runs
 * @lock: one packet at a time; held while the engine runs and never while anything is sent
 * @until_timed: packets until one is timed again
 * @frame: of the packet that is inside; outer is NULL while none is
 * @packet: the one that is inside
 * @users: rules, stages and LOAD; under ps_net.lock
 * @stale: not for new rules: another of the same state took its place
 * @timer_due: when @timer_work has to run, at the latest
 * @stores: that it opened, by handle
 * @store_locked: that the engine is looking into
 * @load_text: while the top level runs: where print() goes
 */
struct ps_env {
	spinlock_t lock;
	int until_timed;
	void *region;
	u64 packets;
	u64 errors;
	struct ps_frame frame;
	struct ps_packet packet;
	struct ps_mail *mail;
	struct delayed_work mail_work;
	struct delayed_work timer_work;
	u64 timer_due;
	struct ps_store *stores[PS_STORES_MAX];
	unsigned int store_count;
	struct ps_store *store_locked;

	struct list_head list;
	struct ps_version *version;
	unsigned int users;
	unsigned int rules;
	bool stale;
	u32 state;
	u64 memory;
	size_t region_len;
	struct ps_text *load_text;
	struct rcu_work free_work;
};

#if defined(CONFIG_SMP) && !defined(CONFIG_PREEMPT_RT) && !defined(CONFIG_DEBUG_SPINLOCK) && \
	!defined(CONFIG_DEBUG_LOCK_ALLOC)
#define PS_RAW_LOCK
#endif

/**
 * ps_env_trylock - alone in an environment, where bottom halves are off
 * @env: which
 *
 * As spin_trylock(), inline and without switching off preemption, which is off. Other users of the
 * lock take it by spin_lock_bh().
 *
 * Return: whether it worked.
 */
static __always_inline bool ps_env_trylock(struct ps_env *env)
{
#ifdef PS_RAW_LOCK
	return arch_spin_trylock(&env->lock.rlock.raw_lock);
#else
	return spin_trylock(&env->lock);
#endif
}

/**
 * ps_env_unlock - the other way round
 * @env: which
 */
static __always_inline void ps_env_unlock(struct ps_env *env)
{
#ifdef PS_RAW_LOCK
	arch_spin_unlock(&env->lock.rlock.raw_lock);
#else
	spin_unlock(&env->lock);
#endif
}

struct ps_env *ps_env_get(struct ps_version *version, u32 state, u64 memory, struct ps_text *err,
			  struct ps_text *out);
void ps_env_put_user(struct ps_env *env);
int ps_env_find_function(struct ps_env *env, const char *name, struct ps_text *err);
size_t ps_env_error_text(struct ps_env *env, u8 *buf, size_t len);
u64 ps_env_live(struct ps_env *env);

/* ---- store.c --------------------------------------------------------------------------------- */

void ps_store_recover(struct ps_env *env);
void ps_store_release(struct ps_env *env);

/* ---- timer.c --------------------------------------------------------------------------------- */

void ps_timer_start(struct ps_env *env);
void ps_timer_work(struct work_struct *work);

/* ---- rule.c ---------------------------------------------------------------------------------- */

/**
 * struct ps_binding - what a rule runs: swapped as one
 */
struct ps_binding {
	struct rcu_head rcu;
	struct ps_env *env;
	int handle;
};

/**
 * struct ps_rule - a rule, however often tables are rewritten around it
 * @refs: copies in tables; under ps_net.lock
 * @counts: per CPU, one for each hook
 * @base: what @counts stood at when they were last reset
 * @next: while a reload prepares: what the rule will run
 */
struct ps_rule {
	struct ps_binding __rcu *binding;
	struct ps_counts __percpu *counts;
	u64 fuel;
	u8 on_error;
	u8 family;

	u64 id;
	unsigned int refs;
	struct ps_net *pn;
	struct xt_lua_tginfo info;
	char table[32];
	unsigned int hook_mask;
	bool nft;
	struct ps_counts base[NF_INET_NUMHOOKS];
	struct ps_binding *next;
	struct rcu_work free_work;
};

struct xt_tgchk_param;
int ps_rule_validate(const struct xt_lua_tginfo *info, struct ps_text *err);
struct ps_rule *ps_rule_get(struct ps_net *pn, struct xt_lua_tginfo *info,
			    const struct xt_tgchk_param *par, struct ps_text *err);
void ps_rule_put(struct ps_rule *rule);
struct ps_version *ps_rule_version(const struct ps_rule *rule);
void ps_rule_sum(const struct ps_rule *rule, unsigned int hook, struct ps_counts *sum);
void ps_rule_reset(struct ps_rule *rule);
void ps_counts_add(struct ps_counts *to, const struct ps_counts *from);
u64 ps_counts_packets(const struct ps_counts *counts);

/* ---- run.c ----------------------------------------------------------------------------------- */

struct xt_action_param;
unsigned int ps_target(struct sk_buff *skb, const struct xt_action_param *par);

/* ---- target.c, control.c, event.c, proc.c ---------------------------------------------------- */

extern struct genl_family ps_genl_family;
int ps_target_init(void);
void ps_target_exit(void);
int ps_control_init(void);
void ps_control_exit(void);
void ps_event(struct ps_version *version, enum ps_event event, const char *text);
void ps_mail_error(struct ps_env *env);
void ps_mail_print(struct ps_env *env, const u8 *text, size_t len);
void ps_mail_deliver(struct work_struct *work);
int ps_proc_init(struct ps_net *pn);
void ps_proc_exit(struct ps_net *pn);

#endif /* PS_H */
