// SPDX-License-Identifier: GPL-2.0-only
/*
 * Environments: memory in which a version runs, shared by all rules of one state.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "ps.h"

/* Milliseconds: errors are told ten times a second at most (event.c), and a text costs more than a run. */
#define PS_ERROR_PAUSE 100

/* In process context, when no packet can be inside any more. */
static void ps_env_free(struct ps_env *env)
{
	struct ps_version *version = env->version;
	struct ps_net *pn = version->pn;

	cancel_delayed_work_sync(&env->timer_work);
	cancel_delayed_work_sync(&env->mail_work);
	mutex_lock(&pn->lock);
	pn->memory -= env->region_len;
	mutex_unlock(&pn->lock);
	ps_store_release(env);
	vfree(env->region);
	kfree(env->mail);
	kfree(env);
	ps_version_put(version);
}

static void ps_env_free_work(struct work_struct *work)
{
	ps_env_free(container_of(to_rcu_work(work), struct ps_env, free_work));
}

static struct ps_env *ps_env_alloc(struct ps_version *version, u32 state, u64 memory,
				   struct ps_text *err)
{
	size_t len = ps_env_region(version->image, version->image_len, memory);
	struct ps_net *pn = version->pn;
	struct ps_env *env;

	env = kzalloc(sizeof(*env), GFP_KERNEL_ACCOUNT);
	if (!env)
		return ERR_PTR(-ENOMEM);
	mutex_lock(&pn->lock);
	if (pn->memory + len > READ_ONCE(ps_net_memory.value)) {
		ps_text_add(err,
			    "%s: %zu bytes more would be over the %llu that this network namespace may have (module parameter net_memory)",
			    version->name, len, READ_ONCE(ps_net_memory.value));
		mutex_unlock(&pn->lock);
		kfree(env);
		return ERR_PTR(-EDQUOT);
	}
	pn->memory += len;
	mutex_unlock(&pn->lock);
	spin_lock_init(&env->lock);
	INIT_LIST_HEAD(&env->list);
	INIT_DELAYED_WORK(&env->mail_work, ps_mail_deliver);
	INIT_DELAYED_WORK(&env->timer_work, ps_timer_work);
	env->timer_due = PS_NEVER;
	INIT_RCU_WORK(&env->free_work, ps_env_free_work);
	env->state = state;
	env->memory = memory;
	env->region_len = len;
	refcount_inc(&version->refs);
	env->version = version;
	env->mail = kzalloc(sizeof(*env->mail), GFP_KERNEL_ACCOUNT);
	env->region = __vmalloc(len, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	env->frame.slot = env->region;
	if (!env->mail || !env->region) {
		ps_text_add(err, "%s: no memory for an environment of %zu bytes", version->name, len);
		ps_env_free(env);
		return ERR_PTR(-ENOMEM);
	}
	return env;
}

/* Runs the top level: seconds, if it likes, and preemptible. */
static struct ps_env *ps_env_make(struct ps_version *version, u32 state, u64 memory,
				  struct ps_text *err, struct ps_text *out)
{
	struct ps_env_config config = {
		.memory = memory,
		.load_fuel = READ_ONCE(ps_load_fuel.value),
		.packet_fuel = READ_ONCE(ps_fuel.value),
		.error_pause = PS_ERROR_PAUSE,
		.args = version->source->args,
		.arg_count = version->source->arg_count,
	};
	struct ps_frame frame;
	struct ps_env *env;
	size_t used = 0;
	int ret;

	env = ps_env_alloc(version, state, memory, err);
	if (IS_ERR(env))
		return env;
	get_random_bytes(config.seed, sizeof(config.seed));
	config.cookie = env;
	env->load_text = out;
	ps_frame_enter_slow(&frame, env->region);
	ret = ps_env_create(env->region, env->region_len, version->image, version->image_len,
			    &config, (u8 *)err->at + err->used, err->room - err->used - 1, &used);
	ps_frame_leave_slow(&frame);
	env->load_text = NULL;
	if (ret) {
		ps_store_recover(env);
		err->used += used;
		err->at[err->used] = '\0';
		ps_env_free(env);
		return ERR_PTR(-EINVAL);
	}
	ps_timer_start(env);
	return env;
}

static struct ps_env *ps_env_of_state(struct ps_version *version, u32 state)
{
	struct ps_env *env;

	list_for_each_entry(env, &version->envs, list)
		if (env->state == state && !env->stale)
			return env;
	return NULL;
}

/**
 * ps_env_get - the environment of a state, made if need be
 * @version: that the caller is a user of
 * @state: which
 * @memory: live bytes, 0 for whatever there is or the module's default
 * @err: gets the reason
 * @out: gets what the top level prints
 *
 * Under load_lock. An environment that LOAD made and no rule uses gives way to a rule that asks for
 * other memory: the rule that makes an environment sets its memory.
 *
 * Return: with one more user, or an error.
 */
struct ps_env *ps_env_get(struct ps_version *version, u32 state, u64 memory, struct ps_text *err,
			  struct ps_text *out)
{
	struct ps_net *pn = version->pn;
	struct ps_env *old, *env;
	bool kept;

	lockdep_assert_held(&pn->load_lock);
	mutex_lock(&pn->lock);
	old = ps_env_of_state(version, state);
	if (old && memory && old->memory != memory && old->users > (old == version->kept_env)) {
		ps_text_add(err,
			    "%s: state %u has %llu bytes of memory, and a rule asks for %llu; rules of one state share it: leave --memory out, or use another --state",
			    version->name, state, old->memory, memory);
		mutex_unlock(&pn->lock);
		return ERR_PTR(-EEXIST);
	}
	if (old && (!memory || old->memory == memory)) {
		old->users++;
		mutex_unlock(&pn->lock);
		return old;
	}
	mutex_unlock(&pn->lock);

	env = ps_env_make(version, state, memory ?: READ_ONCE(ps_memory.value), err, out);
	if (IS_ERR(env))
		return env;

	mutex_lock(&pn->lock);
	env->users = 1;
	/* load_lock kept others from making one, but the old one may have gone. */
	old = ps_env_of_state(version, state);
	if (old)
		old->stale = true;
	list_add_tail(&env->list, &version->envs);
	kept = old && old == version->kept_env;
	if (kept) {
		version->kept_env = env;
		env->users++;
	}
	mutex_unlock(&pn->lock);
	if (kept)
		ps_env_put_user(old);
	return env;
}

/*
 * ps_env_put_user - one user less; the last one's goes after the packets that are inside
 */
void ps_env_put_user(struct ps_env *env)
{
	struct ps_version *version = env->version;
	struct ps_net *pn = version->pn;
	bool last;

	mutex_lock(&pn->lock);
	last = --env->users == 0;
	if (last) {
		list_del(&env->list);
		version->gone_packets += READ_ONCE(env->packets);
		version->gone_errors += READ_ONCE(env->errors);
	}
	mutex_unlock(&pn->lock);
	if (last)
		queue_rcu_work(ps_workqueue, &env->free_work);
}

/**
 * ps_env_find_function - handle of a global function
 * @env: whose
 * @name: of the function
 * @err: gets the reason
 *
 * Return: >= 0 for ps_run(), or an error with its reason in @err.
 */
int ps_env_find_function(struct ps_env *env, const char *name, struct ps_text *err)
{
	size_t used = 0;
	int handle;

	spin_lock_bh(&env->lock);
	ps_frame_enter(&env->frame);
	handle = ps_env_bind(env->region, name, strlen(name), (u8 *)err->at + err->used,
			     err->room - err->used - 1, &used);
	ps_frame_leave(&env->frame);
	spin_unlock_bh(&env->lock);
	if (handle < 0) {
		err->used += used;
		err->at[err->used] = '\0';
		return -ENOENT;
	}
	return handle;
}

/*
 * ps_env_error_text - the last error of an environment
 *
 * Return: its length; not NUL-terminated.
 */
size_t ps_env_error_text(struct ps_env *env, u8 *buf, size_t len)
{
	size_t used;

	spin_lock_bh(&env->lock);
	ps_frame_enter(&env->frame);
	used = ps_env_last_error(env->region, buf, len);
	ps_frame_leave(&env->frame);
	spin_unlock_bh(&env->lock);
	return used;
}

/*
 * ps_env_live - bytes in use now
 */
u64 ps_env_live(struct ps_env *env)
{
	struct ps_env_usage usage = {};

	spin_lock_bh(&env->lock);
	ps_frame_enter(&env->frame);
	ps_env_usage(env->region, &usage);
	ps_frame_leave(&env->frame);
	spin_unlock_bh(&env->lock);
	return usage.live_bytes;
}
