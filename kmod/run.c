// SPDX-License-Identifier: GPL-2.0-only
/*
 * A packet meets a rule. Every instruction here is paid by every packet.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/netfilter/x_tables.h>
#include <linux/sched/clock.h>
#include <linux/skbuff.h>

#include "compat.h"
#include "ps.h"

/*
 * One packet in so many is timed, for the clock costs as much as a short script; not the first,
 * which finds nothing in any cache.
 */
#define PS_TIME_SAMPLE 64
#define PS_TIME_PHASE 7

static __always_inline void ps_packet_fill(struct ps_packet *packet, struct sk_buff *skb,
					   const struct nf_hook_state *state)
{
	unsigned int start = skb_network_offset(skb);
	const struct net_device *in = state->in;
	const struct net_device *out = state->out;

	packet->skb = skb;
	packet->data = skb->data + (int)start;
	packet->linear = skb_headlen(skb) - start;
	packet->len = skb->len - start;
	packet->mac = NULL;
	packet->mac_len = 0;
	packet->family = state->pf;
	packet->hook = state->hook;
	packet->mark = skb->mark;
	packet->priority = skb->priority;
	packet->iif = 0;
	if (in) {
		packet->iif = in->ifindex;
		if (in->type == ARPHRD_ETHER && skb_mac_header_was_set(skb) &&
		    skb->mac_header + ETH_HLEN <= skb->network_header) {
			packet->mac = skb_mac_header(skb);
			packet->mac_len = ETH_HLEN;
		}
	}
	packet->oif = out ? out->ifindex : 0;
	packet->ethertype = ntohs(skb->protocol);
	packet->pkttype = skb->pkt_type;
	packet->flags = 0;
	packet->vlan = skb_vlan_tag_present(skb) ? 0x10000 | skb_vlan_tag_get(skb) : 0;
	packet->state = state;
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
	[PS_QUEUE] = NF_QUEUE,
};

static unsigned int ps_queue(u32 operand)
{
	unsigned int verdict = NF_QUEUE_NR(operand & 0xffff);

	if (operand & PS_QUEUE_BYPASS)
		verdict |= NF_VERDICT_FLAG_QUEUE_BYPASS;
	return verdict;
}

/* The same environment again below itself, or too many different ones: an error without a run. */
static noinline unsigned int ps_refused(struct ps_rule *rule, const struct sk_buff *skb,
					unsigned int hook)
{
	struct ps_counts *counts;

	local_bh_disable();
	counts = this_cpu_ptr(rule->counts) + hook;
	counts->packets++;
	counts->bytes += skb->len;
	counts->outcome[PS_OUTCOME_ERROR]++;
	local_bh_enable();
	pr_warn_ratelimited("%s: a packet met the script inside itself (at most %u levels, each environment once)\n",
			    rule->info.name, PS_DEPTH_MAX);
	return ps_on_error(rule);
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
	const struct nf_hook_state *state = par->state;
	struct ps_env *env = binding->env;
	struct ps_counts *counts;
	struct ps_result result ps_uninitialized;
	struct ps_packet packet ps_uninitialized;
	struct ps_frame frame ps_uninitialized;
	unsigned int verdict;
	u64 start = 0;
	bool bh;

	if (unlikely(!ps_frame_may_enter(env->region)))
		return ps_refused(rule, skb, state->hook);
	bh = ps_env_lock(env);
	ps_frame_enter(&frame, env->region);

	ps_packet_fill(&packet, skb, state);
	counts = this_cpu_ptr(rule->counts) + state->hook;
	counts->bytes += packet.len;
	if (unlikely(counts->packets++ % PS_TIME_SAMPLE == PS_TIME_PHASE))
		start = local_clock();
	ps_run(env->region, binding->handle, &packet, rule->fuel, &result);
	if (unlikely(start))
		counts->time += (local_clock() - start) * PS_TIME_SAMPLE;
	counts->fuel += result.fuel;
	env->packets++;

	if (likely(result.status == PS_STATUS_OK && result.verdict <= PS_QUEUE)) {
		counts->outcome[result.verdict]++;
		verdict = ps_verdicts[result.verdict];
		if (unlikely(result.verdict == PS_QUEUE))
			verdict = ps_queue(result.operand);
	} else {
		counts->outcome[PS_OUTCOME_ERROR]++;
		env->errors++;
		/* Of an engine that panicked the log knows already. */
		if (result.status != PS_STATUS_POISONED)
			ps_mail_error(env);
		verdict = ps_on_error(rule);
	}

	ps_frame_leave(&frame);
	ps_env_unlock(env, bh);
	return verdict;
}
