// SPDX-License-Identifier: GPL-2.0-only
/*
 * Rules: identity over table rewrites, counters.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/netfilter/x_tables.h>
#include <linux/slab.h>

#include "ps.h"

/*
 * ps_rule_validate - what can be said of a rule's data without looking anything up
 */
int ps_rule_validate(const struct xt_lua_tginfo *info, struct ps_text *err)
{
	if (info->abi != PS_ABI) {
		ps_text_add(err,
			    "the rule speaks ABI %u and the module ABI %u: install the iptables plugin and the module from one release",
			    info->abi, PS_ABI);
		return -EPROTO;
	}
	if (!info->name[0] || strnlen(info->name, PS_NAME_LEN) == PS_NAME_LEN ||
	    !info->function[0] || strnlen(info->function, PS_NAME_LEN) == PS_NAME_LEN) {
		ps_text_add(err, "names of scripts and functions have 1 to %d bytes",
			    PS_NAME_LEN - 1);
		return -EINVAL;
	}
	if (info->flags || info->pad[0] || info->pad[1] || info->on_error > PS_ON_ERROR_CONTINUE ||
	    info->scope > PS_SCOPE_CPU) {
		ps_text_add(err, "%s: the rule has flags or values that this module does not know",
			    info->name);
		return -EINVAL;
	}
	if (info->scope == PS_SCOPE_CPU) {
		ps_text_add(err,
			    "%s: this module has no environments of one CPU each: leave --scope cpu out",
			    info->name);
		return -EOPNOTSUPP;
	}
	if (info->fuel > READ_ONCE(ps_max_fuel.value)) {
		ps_text_add(err, "%s: --fuel %llu is over %llu (module parameter max_fuel)",
			    info->name, info->fuel, READ_ONCE(ps_max_fuel.value));
		return -ERANGE;
	}
	if (info->memory &&
	    (info->memory < PS_MEMORY_MIN || info->memory > READ_ONCE(ps_max_memory.value))) {
		ps_text_add(err,
			    "%s: --memory %llu is not between %llu and %llu (module parameter max_memory)",
			    info->name, info->memory, PS_MEMORY_MIN,
			    READ_ONCE(ps_max_memory.value));
		return -ERANGE;
	}
	return 0;
}

/* The part of a rule's data that user space compares is the same. */
static bool ps_rule_same(const struct ps_rule *rule, const struct xt_lua_tginfo *info, u8 family)
{
	return rule->family == family &&
	       !memcmp(&rule->info, info, offsetof(struct xt_lua_tginfo, rule_id));
}

/* A rule that is there already and comes by with a new copy of its table. */
static struct ps_rule *ps_rule_again(struct ps_net *pn, const struct xt_lua_tginfo *info,
				     const struct xt_tgchk_param *par)
{
	struct ps_rule *rule;

	if (!info->rule_id)
		return NULL;
	mutex_lock(&pn->lock);
	rule = xa_load(&pn->rules, info->rule_id);
	if (rule && ps_rule_same(rule, info, par->family)) {
		rule->refs++;
		rule->hook_mask = par->hook_mask;
	} else {
		rule = NULL;
	}
	mutex_unlock(&pn->lock);
	return rule;
}

static void ps_rule_free_work(struct work_struct *work)
{
	struct ps_rule *rule = container_of(to_rcu_work(work), struct ps_rule, free_work);

	free_percpu(rule->counts);
	ps_net_put(rule->pn);
	kfree(rule);
}

static struct ps_rule *ps_rule_new(struct ps_net *pn, const struct xt_lua_tginfo *info,
				   const struct xt_tgchk_param *par)
{
	struct ps_rule *rule = kzalloc(sizeof(*rule), GFP_KERNEL_ACCOUNT);

	if (!rule)
		return NULL;
	rule->counts = __alloc_percpu_gfp(sizeof(struct ps_counts) * NF_INET_NUMHOOKS,
					  __alignof__(struct ps_counts), GFP_KERNEL_ACCOUNT);
	if (!rule->counts) {
		kfree(rule);
		return NULL;
	}
	INIT_RCU_WORK(&rule->free_work, ps_rule_free_work);
	rule->info = *info;
	rule->fuel = info->fuel ?: READ_ONCE(ps_fuel.value);
	rule->on_error = info->on_error;
	rule->family = par->family;
	strscpy(rule->table, par->table, sizeof(rule->table));
	rule->hook_mask = par->hook_mask;
	rule->nft = par->nft_compat;
	rule->refs = 1;
	refcount_inc(&pn->refs);
	rule->pn = pn;
	return rule;
}

/* Under load_lock: the version, an environment and the function behind a new rule. */
static struct ps_binding *ps_rule_bind(struct ps_net *pn, const struct xt_lua_tginfo *info,
				       struct ps_text *err)
{
	struct ps_version *version = NULL;
	struct ps_binding *binding;
	struct ps_text out;
	int ret = -ENOMEM;

	if (info->stage_id)
		version = ps_version_staged(pn, info->stage_id, info->name);
	if (!version)
		version = ps_version_find(pn, info->name, NULL);
	if (!version) {
		ps_text_add(err, "no script '%s' is loaded here: give --script FILE, or load it first",
			    info->name);
		return ERR_PTR(-ENOENT);
	}
	binding = kzalloc(sizeof(*binding), GFP_KERNEL_ACCOUNT);
	if (!binding || ps_text_init(&out, PS_ERROR_MAX))
		goto no_memory;
	binding->env = ps_env_get(version, info->state, info->memory, err, &out);
	if (IS_ERR(binding->env)) {
		ret = PTR_ERR(binding->env);
		goto no_env;
	}
	binding->handle = ps_env_find_function(binding->env, info->function, err);
	if (binding->handle < 0) {
		ret = binding->handle;
		goto no_function;
	}
	/* STAGE told the plugin already; here only the log is left. */
	ps_version_take(version);
	if (out.used)
		pr_info("%s: %s", version->name, out.at);
	ps_text_free(&out);
	return binding;

no_function:
	ps_env_put_user(binding->env);
no_env:
	ps_text_free(&out);
no_memory:
	kfree(binding);
	ps_version_put_user(version);
	return ERR_PTR(ret);
}

/**
 * ps_rule_get - the rule behind a target's data, known by its id or made
 * @pn: namespace
 * @info: valid by ps_rule_validate()
 * @par: of checkentry
 * @err: gets the reason
 */
struct ps_rule *ps_rule_get(struct ps_net *pn, struct xt_lua_tginfo *info,
			    const struct xt_tgchk_param *par, struct ps_text *err)
{
	struct ps_rule *rule = ps_rule_again(pn, info, par);
	struct ps_binding *binding;
	int ret;

	if (rule)
		return rule;
	rule = ps_rule_new(pn, info, par);
	if (!rule)
		return ERR_PTR(-ENOMEM);
	ret = mutex_lock_killable(&pn->load_lock);
	if (ret)
		goto not_locked;
	binding = ps_rule_bind(pn, info, err);
	if (IS_ERR(binding)) {
		ret = PTR_ERR(binding);
		goto fail;
	}
	mutex_lock(&pn->lock);
	rule->id = ++pn->last_rule;
	ret = xa_err(xa_store(&pn->rules, rule->id, rule, GFP_KERNEL_ACCOUNT));
	if (!ret) {
		RCU_INIT_POINTER(rule->binding, binding);
		binding->env->rules++;
		binding->env->version->rules++;
	}
	mutex_unlock(&pn->lock);
	if (ret) {
		struct ps_version *version = binding->env->version;

		ps_env_put_user(binding->env);
		ps_version_put_user(version);
		kfree(binding);
		goto fail;
	}
	mutex_unlock(&pn->load_lock);
	return rule;

fail:
	mutex_unlock(&pn->load_lock);
not_locked:
	queue_rcu_work(ps_workqueue, &rule->free_work);
	return ERR_PTR(ret);
}

/*
 * ps_rule_version - what a rule runs
 *
 * Under ps_net.lock, or while load_lock keeps it from changing.
 */
struct ps_version *ps_rule_version(const struct ps_rule *rule)
{
	return rcu_dereference_protected(rule->binding, true)->env->version;
}

/*
 * ps_rule_put - a copy of the rule is gone; with the last one the rule is
 */
void ps_rule_put(struct ps_rule *rule)
{
	struct ps_net *pn = rule->pn;
	struct ps_version *version;
	struct ps_binding *binding;
	struct ps_counts sum;
	unsigned int hook;

	mutex_lock(&pn->lock);
	if (--rule->refs) {
		mutex_unlock(&pn->lock);
		return;
	}
	xa_erase(&pn->rules, rule->id);
	binding = rcu_dereference_protected(rule->binding, lockdep_is_held(&pn->lock));
	version = binding->env->version;
	binding->env->rules--;
	version->rules--;
	for (hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		ps_rule_sum(rule, hook, &sum);
		ps_counts_add(&pn->gone[rule->family == NFPROTO_IPV6][hook], &sum);
	}
	mutex_unlock(&pn->lock);
	ps_env_put_user(binding->env);
	ps_version_put_user(version);
	kfree_rcu(binding, rcu);
	queue_rcu_work(ps_workqueue, &rule->free_work);
}

/*
 * ps_counts_add - add counters to others
 */
void ps_counts_add(struct ps_counts *to, const struct ps_counts *from)
{
	unsigned int i;

	to->bytes += from->bytes;
	for (i = 0; i < PS_OUTCOMES; i++)
		to->outcome[i] += from->outcome[i];
	to->fuel += from->fuel;
	to->time += from->time;
}

/*
 * ps_counts_packets - each has one outcome
 */
u64 ps_counts_packets(const struct ps_counts *counts)
{
	u64 packets = 0;
	unsigned int i;

	for (i = 0; i < PS_OUTCOMES; i++)
		packets += counts->outcome[i];
	return packets;
}

static void ps_counts_subtract(struct ps_counts *to, const struct ps_counts *from)
{
	unsigned int i;

	to->bytes -= from->bytes;
	for (i = 0; i < PS_OUTCOMES; i++)
		to->outcome[i] -= from->outcome[i];
	to->fuel -= from->fuel;
	to->time -= from->time;
}

static void ps_rule_sum_all(const struct ps_rule *rule, unsigned int hook, struct ps_counts *sum)
{
	int cpu;

	memset(sum, 0, sizeof(*sum));
	for_each_possible_cpu(cpu)
		ps_counts_add(sum, per_cpu_ptr(rule->counts, cpu) + hook);
}

/*
 * ps_rule_sum - a rule's counters at a hook since they were last reset
 */
void ps_rule_sum(const struct ps_rule *rule, unsigned int hook, struct ps_counts *sum)
{
	ps_rule_sum_all(rule, hook, sum);
	ps_counts_subtract(sum, &rule->base[hook]);
}

/*
 * ps_rule_reset - counters begin at zero again; the CPUs' own go on undisturbed
 */
void ps_rule_reset(struct ps_rule *rule)
{
	unsigned int hook;

	for (hook = 0; hook < NF_INET_NUMHOOKS; hook++)
		ps_rule_sum_all(rule, hook, &rule->base[hook]);
}
