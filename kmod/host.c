// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the engine asks of the kernel. engine.h says what each function promises.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/jiffies.h>
#include <linux/netdevice.h>
#include <linux/netfilter.h>
#include <linux/sched/signal.h>
#include <linux/sctp.h>
#include <linux/skbuff.h>
#include <linux/timekeeping.h>

#include "ps.h"

u64 ps_host_now_ms(void)
{
	return jiffies64_to_msecs(get_jiffies_64() - INITIAL_JIFFIES);
}

bool ps_host_breathe(void)
{
	cond_resched();
	return !fatal_signal_pending(current);
}

s64 ps_host_unix_time(void)
{
	return ktime_get_real_seconds();
}

void ps_host_describe(struct ps_packet *packet)
{
	const struct sk_buff *skb = packet->skb;
	const struct nf_hook_state *state = packet->state;
	const struct net_device *in = state->in;
	const struct net_device *out = state->out;

	packet->mac = NULL;
	packet->mac_len = 0;
	if (in && in->type == ARPHRD_ETHER && skb_mac_header_was_set(skb) &&
	    skb->mac_header + ETH_HLEN <= skb->network_header) {
		packet->mac = skb_mac_header(skb);
		packet->mac_len = ETH_HLEN;
	}
	packet->mark = skb->mark;
	packet->priority = skb->priority;
	packet->iif = in ? in->ifindex : 0;
	packet->oif = out ? out->ifindex : 0;
	packet->vlan = skb_vlan_tag_present(skb) ? 0x10000 | skb_vlan_tag_get(skb) : 0;
	packet->ethertype = ntohs(skb->protocol);
	packet->pkttype = skb->pkt_type;
	packet->known = 1;
}

int ps_host_read(const struct ps_packet *packet, u32 offset, u8 *to, u32 len)
{
	const struct sk_buff *skb = packet->skb;

	if (offset > packet->len || len > packet->len - offset)
		return -1;
	return skb_copy_bits(skb, skb_network_offset(skb) + (int)offset, to, len) ? -1 : 0;
}

/* After anything that may have moved the packet's head. */
static void ps_packet_refresh(struct ps_packet *packet)
{
	struct sk_buff *skb = packet->skb;
	int start = skb_network_offset(skb);

	packet->data = skb->data + start;
	packet->linear = skb_headlen(skb) - start;
	packet->len = skb->len - start;
	if (packet->known && packet->mac)
		packet->mac = skb_mac_header(skb);
}

int ps_host_make_writable(struct ps_packet *packet, u32 len)
{
	struct sk_buff *skb = packet->skb;
	int err;

	if (len > packet->len)
		return -1;
	/* The usual packet is nobody else's, and its headers are linear: nothing moves. */
	if (len > packet->linear || skb_cloned(skb)) {
		err = skb_ensure_writable(skb, skb_network_offset(skb) + (int)len);
		ps_packet_refresh(packet);
		if (err)
			return -1;
	}
	/* The sum that the device gave is over bytes that are about to change. */
	if (skb->ip_summed == CHECKSUM_COMPLETE)
		skb->ip_summed = CHECKSUM_NONE;
	return 0;
}

int ps_host_resize(struct ps_packet *packet, u32 offset, u32 old_len, u32 new_len)
{
	struct sk_buff *skb = packet->skb;
	u32 tail;

	if (offset > packet->len || old_len > packet->len - offset || new_len > 0xffff ||
	    packet->len - old_len + new_len > 0xffff || skb_is_gso(skb))
		return -1;
	if (ps_host_make_writable(packet, packet->len))
		return -1;
	if (new_len > old_len && skb_tailroom(skb) < (int)(new_len - old_len)) {
		if (pskb_expand_head(skb, 0, new_len - old_len - skb_tailroom(skb), GFP_ATOMIC))
			return -1;
		ps_packet_refresh(packet);
	}
	tail = packet->len - offset - old_len;
	if (new_len > old_len)
		skb_put(skb, new_len - old_len);
	memmove(packet->data + offset + new_len, packet->data + offset + old_len, tail);
	if (new_len < old_len)
		skb_trim(skb, skb->len - (old_len - new_len));
	ps_packet_refresh(packet);
	return 0;
}

void ps_host_set_mark(struct ps_packet *packet, u32 mark)
{
	struct sk_buff *skb = packet->skb;

	skb->mark = mark;
	packet->mark = mark;
}

void ps_host_set_priority(struct ps_packet *packet, u32 priority)
{
	struct sk_buff *skb = packet->skb;

	skb->priority = priority;
	packet->priority = priority;
}

size_t ps_host_ifname(const struct ps_packet *packet, u32 which, u8 *buf)
{
	const struct nf_hook_state *state = packet->state;
	const struct net_device *dev = which ? state->out : state->in;
	size_t len;

	if (!dev)
		return 0;
	len = strnlen(dev->name, IFNAMSIZ);
	memcpy(buf, dev->name, len);
	return len;
}

/* Where the checksum is that somebody is to complete later; below 0 for none. */
static int ps_csum_field(const struct sk_buff *skb)
{
	if (skb->ip_summed != CHECKSUM_PARTIAL)
		return -1;
	return skb_checksum_start_offset(skb) + skb->csum_offset - skb_network_offset(skb);
}

bool ps_host_csum_partial(const struct ps_packet *packet, u32 field)
{
	return ps_csum_field(packet->skb) == (int)field;
}

int ps_host_csum_settle(struct ps_packet *packet, u32 offset)
{
	struct sk_buff *skb = packet->skb;
	int err;

	if (ps_csum_field(skb) < (int)offset)
		return 0;
	/* Left as it is, its place would be in bytes that are others by then, or behind the end. */
	if (skb_is_gso(skb) || skb->csum_offset == offsetof(struct sctphdr, checksum))
		return -1;
	err = skb_checksum_help(skb);
	ps_packet_refresh(packet);
	return err ? -1 : 0;
}

void ps_host_print(void *cookie, const struct ps_packet *packet, const u8 *text, size_t len)
{
	struct ps_env *env = cookie;

	if (env->load_text) {
		ps_text_put(env->load_text, text, len);
		ps_text_put(env->load_text, "\n", 1);
	} else {
		ps_mail_print(env, text, len);
	}
}

void ps_host_panicked(const u8 *text, size_t len)
{
	pr_err("the engine panicked and was stopped: %.*s; the script's packets get their on-error verdict until it is reloaded\n",
	       (int)len, text);
}
