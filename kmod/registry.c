// SPDX-License-Identifier: GPL-2.0-only
/*
 * Versions of scripts, and the stages that hold them for rules to come.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/cred.h>
#include <linux/kernel.h>
#include <linux/netfilter/x_tables.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uidgid.h>
#include <linux/vmalloc.h>

#include "ps.h"

/* ---- versions -------------------------------------------------------------------------------- */

/*
 * ps_version_put - drop a reference to the memory
 */
void ps_version_put(struct ps_version *version)
{
	if (!refcount_dec_and_test(&version->refs))
		return;
	ps_net_put(version->pn);
	vfree(version->image);
	kvfree(version->source);
	kfree(version->path);
	kfree(version);
}

/*
 * ps_version_put_user - one user less; what nobody uses is forgotten
 */
void ps_version_put_user(struct ps_version *version)
{
	struct ps_net *pn = version->pn;
	bool last;

	mutex_lock(&pn->lock);
	last = --version->users == 0;
	if (last)
		list_del(&version->list);
	mutex_unlock(&pn->lock);
	if (last) {
		if (version->taken)
			ps_event(version, PS_EVENT_UNLOAD, NULL);
		ps_version_put(version);
	}
}

/*
 * ps_version_take - a rule or LOAD took the version: it is the newest of its name
 */
void ps_version_take(struct ps_version *version)
{
	bool first;

	mutex_lock(&version->pn->lock);
	first = !version->taken;
	version->taken = ++version->pn->last_taken;
	mutex_unlock(&version->pn->lock);
	if (first)
		ps_event(version, PS_EVENT_LOAD, NULL);
}

/* Under pn->lock. */
static struct ps_version *ps_newest(struct ps_net *pn, const char *name)
{
	struct ps_version *version, *newest = NULL;

	list_for_each_entry(version, &pn->versions, list)
		if (version->taken && !strcmp(version->name, name) &&
		    (!newest || version->taken > newest->taken))
			newest = version;
	return newest;
}

/*
 * ps_version_is_newest - what a rule that gives the name alone gets; under ps_net.lock
 */
bool ps_version_is_newest(const struct ps_version *version)
{
	return ps_newest(version->pn, version->name) == version;
}

static bool ps_same_path(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Looks for the same content; an error if the name belongs to another file. */
static struct ps_version *ps_version_same(struct ps_net *pn, const char *name, const char *path,
					  const struct ps_source *source, struct ps_text *err)
{
	struct ps_version *version, *same = NULL;

	mutex_lock(&pn->lock);
	list_for_each_entry(version, &pn->versions, list) {
		if (strcmp(version->name, name))
			continue;
		if (!ps_same_path(version->path, path)) {
			ps_text_add(err,
				    "the name '%s' belongs to %s; give this script another one (--name)",
				    name, version->path ?: "a script without a file");
			same = ERR_PTR(-EEXIST);
			break;
		}
		if (!memcmp(version->source->digest, source->digest, sizeof(source->digest)))
			same = version;
	}
	if (!IS_ERR_OR_NULL(same))
		same->users++;
	mutex_unlock(&pn->lock);
	return same;
}

static int ps_version_compile(struct ps_version *version, struct ps_text *err)
{
	const struct ps_source *source = version->source;
	u64 entry[PS_ENTRY_SIZE / sizeof(u64)] = {};
	struct ps_frame frame;
	size_t len, used = 0;
	s64 image_len;
	void *work;
	u64 seed;

	get_random_bytes(&seed, sizeof(seed));
	ps_frame_enter_slow(&frame, entry);
	len = ps_compile_workspace(source->chunks, source->chunk_count);
	ps_frame_leave_slow(&frame);
	work = __vmalloc(len, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!work) {
		ps_text_add(err, "%s: no memory to compile in (%zu bytes)", version->name, len);
		return -ENOMEM;
	}
	ps_frame_enter_slow(&frame, entry);
	image_len = ps_compile(source->chunks, source->chunk_count, seed, work, len,
			       (u8 *)err->at + err->used, err->room - err->used - 1, &used);
	ps_frame_leave_slow(&frame);
	if (image_len < 0) {
		err->used += used;
		err->at[err->used] = '\0';
		vfree(work);
		return -EINVAL;
	}
	version->image = __vmalloc(image_len, GFP_KERNEL_ACCOUNT | __GFP_NOWARN);
	if (version->image) {
		memcpy(version->image, work, image_len);
		version->image_len = image_len;
	} else {
		ps_text_add(err, "%s: no memory for the compiled script (%lld bytes)",
			    version->name, image_len);
	}
	vfree(work);
	return version->image ? 0 : -ENOMEM;
}

/**
 * ps_version_load - the version with this content, compiled if need be
 * @pn: namespace
 * @name: of the script
 * @path: where it came from, or NULL
 * @source: taken over, and NULL afterwards, if a version is made of it
 * @err: gets the reason
 *
 * Under load_lock.
 *
 * Return: with one more user, or an error.
 */
struct ps_version *ps_version_load(struct ps_net *pn, const char *name, const char *path,
				   struct ps_source **source, struct ps_text *err)
{
	struct ps_version *version;
	int ret = -ENOMEM;

	lockdep_assert_held(&pn->load_lock);
	version = ps_version_same(pn, name, path, *source, err);
	if (version)
		return version;

	version = kzalloc(sizeof(*version), GFP_KERNEL_ACCOUNT);
	if (!version)
		return ERR_PTR(-ENOMEM);
	refcount_set(&version->refs, 1);
	refcount_inc(&pn->refs);
	version->pn = pn;
	version->users = 1;
	INIT_LIST_HEAD(&version->envs);
	ratelimit_state_init(&version->log, DEFAULT_RATELIMIT_INTERVAL, DEFAULT_RATELIMIT_BURST);
	strscpy(version->name, name, sizeof(version->name));
	if (path) {
		version->path = kstrdup(path, GFP_KERNEL_ACCOUNT);
		if (!version->path)
			goto fail;
	}
	version->hash = ps_source_hash(*source);
	version->source = *source;
	*source = NULL;
	version->loaded = ktime_get_real_seconds();
	get_task_comm(version->by, current);
	version->uid = from_kuid_munged(&init_user_ns, current_uid());
	ret = ps_version_compile(version, err);
	if (ret)
		goto fail;

	mutex_lock(&pn->lock);
	list_add_tail(&version->list, &pn->versions);
	mutex_unlock(&pn->lock);
	return version;

fail:
	ps_version_put(version);
	return ERR_PTR(ret);
}

/**
 * ps_version_find - the version of a name with this hash, or the newest
 * @pn: namespace
 * @name: of the script
 * @hash: or NULL for the newest
 *
 * Return: with one more user, or NULL.
 */
struct ps_version *ps_version_find(struct ps_net *pn, const char *name, const u64 *hash)
{
	struct ps_version *version, *found = NULL;

	mutex_lock(&pn->lock);
	if (!hash)
		found = ps_newest(pn, name);
	else
		list_for_each_entry(version, &pn->versions, list)
			if (!strcmp(version->name, name) && version->hash == *hash)
				found = version;
	if (found)
		found->users++;
	mutex_unlock(&pn->lock);
	return found;
}

/*
 * ps_version_for - what a name alone means to a socket: what it staged itself, or the newest
 *
 * Return: with one more user, or NULL.
 */
struct ps_version *ps_version_for(struct ps_net *pn, const char *name, u32 portid)
{
	struct ps_version *found = NULL;
	struct ps_stage *stage;

	mutex_lock(&pn->lock);
	list_for_each_entry(stage, &pn->stages, list)
		if (stage->portid == portid && !strcmp(stage->version->name, name))
			found = stage->version;
	if (!found)
		found = ps_newest(pn, name);
	if (found)
		found->users++;
	mutex_unlock(&pn->lock);
	return found;
}

/*
 * ps_version_notice - tell the loader about rules that keep an older version
 */
void ps_version_notice(struct ps_version *version, struct ps_text *out)
{
	struct ps_version *other;
	unsigned int rules = 0;

	mutex_lock(&version->pn->lock);
	list_for_each_entry(other, &version->pn->versions, list)
		if (other != version && !strcmp(other->name, version->name))
			rules += other->rules;
	mutex_unlock(&version->pn->lock);
	if (rules)
		ps_text_add(out,
			    "%s: %u older rule(s) keep their version; `pstui reload %s` moves them\n",
			    version->name, rules, version->name);
}

/*
 * ps_version_keep - what LOAD does: keep a version without rules, its environment made
 *
 * Under load_lock. Older versions of the name are no longer kept.
 */
int ps_version_keep(struct ps_version *version, struct ps_text *err, struct ps_text *out)
{
	struct ps_net *pn = version->pn;
	struct ps_version *other, *old = NULL;
	struct ps_env *env, *old_env = NULL;

	lockdep_assert_held(&pn->load_lock);
	env = ps_env_get(version, 0, 0, err, out);
	if (IS_ERR(env))
		return PTR_ERR(env);
	mutex_lock(&pn->lock);
	list_for_each_entry(other, &pn->versions, list)
		if (other->kept && !strcmp(other->name, version->name)) {
			old = other;
			old_env = other->kept_env;
			other->kept = false;
			other->kept_env = NULL;
		}
	version->kept = true;
	version->kept_env = env;
	version->users++;
	mutex_unlock(&pn->lock);
	if (old) {
		ps_env_put_user(old_env);
		ps_version_put_user(old);
	}
	return 0;
}

/*
 * ps_version_unload - forget what LOAD keeps under a name
 */
int ps_version_unload(struct ps_net *pn, const char *name, struct ps_text *err)
{
	struct ps_version *version, *kept = NULL;
	struct ps_env *env = NULL;
	unsigned int rules = 0;
	bool known = false;

	mutex_lock(&pn->lock);
	list_for_each_entry(version, &pn->versions, list) {
		if (strcmp(version->name, name))
			continue;
		known = true;
		rules += version->rules;
		if (version->kept)
			kept = version;
	}
	if (kept && !rules) {
		env = kept->kept_env;
		kept->kept = false;
		kept->kept_env = NULL;
	}
	mutex_unlock(&pn->lock);
	if (rules) {
		ps_text_add(err, "%s: %u rule(s) use it; delete them first", name, rules);
		return -EBUSY;
	}
	if (!kept) {
		ps_text_add(err, known ? "%s: nothing but a rule that is being made holds it" :
					 "%s: no such script is loaded", name);
		return -ENOENT;
	}
	ps_env_put_user(env);
	ps_version_put_user(kept);
	return 0;
}

/* ---- reload ---------------------------------------------------------------------------------- */

static void ps_reload_cancel(struct ps_net *pn)
{
	struct ps_rule *rule;
	unsigned long id;

	xa_for_each(&pn->rules, id, rule) {
		if (!rule->next)
			continue;
		ps_env_put_user(rule->next->env);
		kfree(rule->next);
		rule->next = NULL;
	}
}

/*
 * Makes what a rule of the name will run; nothing changes for packets yet. Memory is what its
 * environment has, which another rule may have asked for.
 */
static int ps_reload_prepare(struct ps_version *version, struct ps_rule *rule, struct ps_text *err,
			     struct ps_text *out)
{
	struct ps_binding *next = kzalloc(sizeof(*next), GFP_KERNEL_ACCOUNT);
	const struct ps_env *now = rcu_dereference_protected(rule->binding, true)->env;
	int ret;

	if (!next)
		return -ENOMEM;
	next->env = ps_env_get(version, now->state, now->memory, err, out);
	if (IS_ERR(next->env)) {
		ret = PTR_ERR(next->env);
		kfree(next);
		return ret;
	}
	next->handle = ps_env_find_function(next->env, rule->info.function, err);
	if (next->handle < 0) {
		ret = next->handle;
		ps_env_put_user(next->env);
		kfree(next);
		return ret;
	}
	rule->next = next;
	return 0;
}

/**
 * ps_version_reload - move every rule of the name to this version
 * @version: that the caller is a user of
 * @moved: how many rules
 * @err: gets the reason
 * @out: gets what the top level prints
 *
 * Under load_lock, which also keeps rules from being made; they may go, though, so each step looks
 * again. Packets in flight finish on what they began with.
 */
int ps_version_reload(struct ps_version *version, u32 *moved, struct ps_text *err,
		      struct ps_text *out)
{
	struct ps_net *pn = version->pn;
	struct ps_binding *old;
	struct ps_rule *rule;
	unsigned long id;
	int ret = 0;

	lockdep_assert_held(&pn->load_lock);
	*moved = 0;
	/* Rules hold themselves while we are at it: destroy drops its own reference only. */
	mutex_lock(&pn->lock);
	xa_for_each(&pn->rules, id, rule)
		rule->refs++;
	mutex_unlock(&pn->lock);

	xa_for_each(&pn->rules, id, rule) {
		if (strcmp(rule->info.name, version->name) || ps_rule_version(rule) == version)
			continue;
		ret = ps_reload_prepare(version, rule, err, out);
		if (ret)
			break;
	}
	if (ret)
		ps_reload_cancel(pn);
	else
		ps_version_take(version);

	xa_for_each(&pn->rules, id, rule) {
		if (rule->next) {
			mutex_lock(&pn->lock);
			old = rcu_dereference_protected(rule->binding,
							lockdep_is_held(&pn->lock));
			rcu_assign_pointer(rule->binding, rule->next);
			rule->next->env->rules++;
			version->rules++;
			version->users++;
			old->env->rules--;
			old->env->version->rules--;
			rule->next = NULL;
			mutex_unlock(&pn->lock);
			ps_version_put_user(old->env->version);
			ps_env_put_user(old->env);
			kfree_rcu(old, rcu);
			(*moved)++;
		}
		ps_rule_put(rule);
	}
	if (!ret)
		ps_event(version, PS_EVENT_RELOAD, NULL);
	return ret;
}

/* ---- stages ---------------------------------------------------------------------------------- */

static atomic64_t ps_last_stage;

static void ps_stage_free(struct ps_stage *stage)
{
	if (stage->env)
		ps_env_put_user(stage->env);
	ps_version_put_user(stage->version);
	kfree(stage);
}

/*
 * ps_stage_add - hold a version, and an environment if there is one, until the socket closes
 *
 * Takes over the caller's use of both.
 *
 * Return: the stage's id, or 0 without memory.
 */
u64 ps_stage_add(struct ps_version *version, struct ps_env *env, u32 portid)
{
	struct ps_stage *stage = kzalloc(sizeof(*stage), GFP_KERNEL_ACCOUNT);
	struct ps_net *pn = version->pn;

	if (!stage)
		return 0;
	stage->id = atomic64_inc_return(&ps_last_stage);
	stage->portid = portid;
	stage->version = version;
	stage->env = env;
	mutex_lock(&pn->lock);
	list_add_tail(&stage->list, &pn->stages);
	mutex_unlock(&pn->lock);
	return stage->id;
}

/*
 * ps_version_staged - what a stage holds, if it is of this name
 *
 * Return: with one more user, or NULL.
 */
struct ps_version *ps_version_staged(struct ps_net *pn, u64 stage_id, const char *name)
{
	struct ps_version *version = NULL;
	struct ps_stage *stage;

	mutex_lock(&pn->lock);
	list_for_each_entry(stage, &pn->stages, list)
		if (stage->id == stage_id && !strcmp(stage->version->name, name)) {
			version = stage->version;
			version->users++;
			break;
		}
	mutex_unlock(&pn->lock);
	return version;
}

/*
 * ps_stage_release - the socket closed: what nobody took goes
 */
void ps_stage_release(struct ps_net *pn, u32 portid)
{
	struct ps_stage *stage, *next;
	LIST_HEAD(gone);

	mutex_lock(&pn->lock);
	list_for_each_entry_safe(stage, next, &pn->stages, list)
		if (stage->portid == portid)
			list_move_tail(&stage->list, &gone);
	mutex_unlock(&pn->lock);
	list_for_each_entry_safe(stage, next, &gone, list)
		ps_stage_free(stage);
}

/*
 * ps_registry_clear - the namespace goes: nobody holds anything any more but rules
 */
void ps_registry_clear(struct ps_net *pn)
{
	struct ps_version *version;
	struct ps_stage *stage, *next;
	struct ps_env *env;
	LIST_HEAD(gone);
	bool found;

	mutex_lock(&pn->lock);
	list_splice_init(&pn->stages, &gone);
	mutex_unlock(&pn->lock);
	list_for_each_entry_safe(stage, next, &gone, list)
		ps_stage_free(stage);
	do {
		found = false;
		env = NULL;
		mutex_lock(&pn->lock);
		list_for_each_entry(version, &pn->versions, list)
			if (version->kept) {
				version->kept = false;
				env = version->kept_env;
				version->kept_env = NULL;
				found = true;
				break;
			}
		mutex_unlock(&pn->lock);
		if (found) {
			ps_env_put_user(env);
			ps_version_put_user(version);
		}
	} while (found);
}
