// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet meets a rule. Every instruction here is paid by every packet.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/sched/clock.h>
#include <linux/skbuff.h>

#include "compat.h"
#include "ps.h"

/*
 * One packet of an environment in so many is timed, for the clock costs as much as a short script.
 * A prime, so that rules that take turns are all timed.
 */
#define PS_TIME_SAMPLE 61

static __always_inline void ps_packet_fill(struct ps_packet *packet, struct sk_buff *skb,
					   const struct nf_hook_state *state)
{
	u32 linear = skb_tail_pointer(skb) - skb_network_header(skb);

	packet->skb = skb;
	packet->data = skb_network_header(skb);
	packet->linear = linear;
	packet->len = linear + skb->data_len;
	packet->state = state;
	packet->hook = state->hook;
	packet->family = state->pf;
	packet->known = 0;
}

static unsigned int ps_on_error(const struct ps_rule *rule)
{
	switch (rule->on_error) {
	case PS_ON_ERROR_ACCEPT:
		return NF_ACCEPT;
	case PS_ON_ERROR_CONTINUE:
		return XT_CONTINUE;
	default:
		return NF_DROP;
	}
}

static const unsigned int ps_verdicts[] = {
	[PS_CONTINUE] = XT_CONTINUE,
	[PS_ACCEPT] = NF_ACCEPT,
	[PS_DROP] = NF_DROP,
};

static unsigned int ps_queue(u32 operand)
{
	unsigned int verdict = NF_QUEUE_NR(operand & 0xffff);

	if (operand & PS_QUEUE_BYPASS)
		verdict |= NF_VERDICT_FLAG_QUEUE_BYPASS;
	return verdict;
}

/* A run that ended in an error, or with more than one of the plain verdicts. */
static noinline unsigned int ps_conclude(struct ps_env *env, const struct ps_rule *rule,
					 struct ps_counts *counts, struct ps_result result)
{
	u32 status = PS_WHAT_STATUS(result.what);
	u32 verdict = PS_WHAT_VERDICT(result.what);

	if (status == PS_STATUS_OK && verdict <= PS_QUEUE) {
		counts->outcome[verdict]++;
		if (verdict == PS_QUEUE)
			return ps_queue(PS_WHAT_OPERAND(result.what));
		return ps_verdicts[verdict];
	}
	counts->outcome[PS_OUTCOME_ERROR]++;
	env->errors++;
	/* Of an engine that panicked the log knows already. */
	if (status == PS_STATUS_POISONED)
		ps_store_recover(env);
	else
		ps_mail_error(env);
	return ps_on_error(rule);
}

static noinline struct ps_result ps_run_timed(struct ps_env *env, int handle, u64 fuel,
					      struct ps_counts *counts)
{
	struct ps_result result;
	u64 start;

	env->until_timed = PS_TIME_SAMPLE - 1;
	start = local_clock();
	result = ps_run(env->region, handle, &env->packet, fuel);
	counts->time += (local_clock() - start) * PS_TIME_SAMPLE;
	return result;
}

/* What a rule says, alone in its environment. */
static __always_inline unsigned int ps_meet(struct ps_env *env, const struct ps_rule *rule,
					    int handle, struct sk_buff *skb,
					    const struct nf_hook_state *state)
{
	struct ps_counts *counts;
	struct ps_result result;

	ps_packet_fill(&env->packet, skb, state);
	counts = this_cpu_ptr(rule->counts) + state->hook;
	counts->bytes += env->packet.len;
	env->packets++;
	if (unlikely(--env->until_timed < 0))
		result = ps_run_timed(env, handle, rule->fuel, counts);
	else
		result = ps_run(env->region, handle, &env->packet, rule->fuel);
	counts->fuel += result.fuel;
	if (unlikely(result.what > PS_DROP))
		return ps_conclude(env, rule, counts, result);
	counts->outcome[result.what]++;
	return ps_verdicts[result.what];
}

/* The same environment again below itself, or too many different ones: an error without a run. */
static unsigned int ps_refused(struct ps_rule *rule, const struct sk_buff *skb, unsigned int hook)
{
	struct ps_counts *counts;

	local_bh_disable();
	counts = this_cpu_ptr(rule->counts) + hook;
	counts->bytes += skb->len;
	counts->outcome[PS_OUTCOME_ERROR]++;
	local_bh_enable();
	pr_warn_ratelimited("%s: a packet met the script inside itself (at most %u levels, each environment once)\n",
			    rule->info.name, PS_DEPTH_MAX);
	return ps_on_error(rule);
}

/* A packet where bottom halves may be on, inside another script's run, or that has to wait. */
static noinline unsigned int ps_target_unusual(struct sk_buff *skb,
					       const struct xt_action_param *par)
{
	const struct xt_lua_tginfo *info = par->targinfo;
	struct ps_rule *rule = (struct ps_rule *)(uintptr_t)info->kernel;
	const struct ps_binding *binding = rcu_dereference(rule->binding);
	struct ps_env *env = binding->env;
	unsigned int verdict;

	if (!ps_frame_may_enter(env->region))
		return ps_refused(rule, skb, par->state->hook);
	spin_lock_bh(&env->lock);
	ps_frame_enter(&env->frame);
	verdict = ps_meet(env, rule, binding->handle, skb, par->state);
	ps_frame_leave(&env->frame);
	spin_unlock_bh(&env->lock);
	return verdict;
}

/**
 * ps_target - what a rule says about a packet
 * @skb: the packet
 * @par: of the rule
 *
 * The caller is in an RCU read section, as all hooks are, in any context but hard interrupts.
 *
 * Return: a verdict of Netfilter, or XT_CONTINUE.
 */
unsigned int ps_target(struct sk_buff *skb, const struct xt_action_param *par)
{
	const struct xt_lua_tginfo *info = par->targinfo;
	struct ps_rule *rule = (struct ps_rule *)(uintptr_t)info->kernel;
	const struct ps_binding *binding = rcu_dereference(rule->binding);
	struct ps_env *env = binding->env;
	unsigned int verdict;

	if (unlikely(!ps_frame_is_first() || !ps_env_trylock(env)))
		return ps_target_unusual(skb, par);
	ps_frame_enter_first(&env->frame);
	verdict = ps_meet(env, rule, binding->handle, skb, par->state);
	ps_frame_leave_first();
	ps_env_unlock(env);
	return verdict;
}
