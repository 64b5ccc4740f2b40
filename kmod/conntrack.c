// SPDX-License-Identifier: GPL-2.0-only
/*
 * p.ct: what connection tracking knows of a packet. Only what is in the packet's own entry is read,
 * so nothing here makes the module nf_conntrack load: an entry is there when it is.
 */
#include <linux/module.h>
#include <linux/skbuff.h>

#include "ps.h"

#if IS_ENABLED(CONFIG_NF_CONNTRACK)
#include <net/netfilter/nf_conntrack.h>

static void ps_tuple_fill(struct ps_tuple *to, const struct nf_conntrack_tuple *from)
{
	memcpy(to->src, &from->src.u3, sizeof(to->src));
	memcpy(to->dst, &from->dst.u3, sizeof(to->dst));
	to->sport = ntohs(from->src.u.all);
	to->dport = ntohs(from->dst.u.all);
}

int ps_host_conntrack(const struct ps_packet *packet, struct ps_conntrack *out)
{
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(packet->skb, &info);

	memset(out, 0, sizeof(*out));
	if (info == IP_CT_UNTRACKED) {
		out->state = PS_CT_UNTRACKED;
		return 0;
	}
	if (!ct)
		return -1;
	switch (info) {
	case IP_CT_ESTABLISHED:
	case IP_CT_ESTABLISHED_REPLY:
		out->state = PS_CT_ESTABLISHED;
		break;
	case IP_CT_RELATED:
	case IP_CT_RELATED_REPLY:
		out->state = PS_CT_RELATED;
		break;
	default:
		out->state = PS_CT_NEW;
	}
#ifdef CONFIG_NF_CONNTRACK_MARK
	out->mark = READ_ONCE(ct->mark);
#endif
	out->family = nf_ct_l3num(ct);
	out->proto = nf_ct_protonum(ct);
	ps_tuple_fill(&out->tuples[0], nf_ct_tuple(ct, IP_CT_DIR_ORIGINAL));
	ps_tuple_fill(&out->tuples[1], nf_ct_tuple(ct, IP_CT_DIR_REPLY));
	return 0;
}

/* The kernel's secret is in the number, so only nf_conntrack can tell it. */
u32 ps_host_conntrack_id(const struct ps_packet *packet)
{
	enum ip_conntrack_info info;
	const struct nf_conn *ct = nf_ct_get(packet->skb, &info);
	u32 (*id_of)(const struct nf_conn *ct);
	u32 id;

	if (!ct)
		return 0;
	id_of = symbol_get(nf_ct_get_id);
	if (!id_of)
		return 0;
	id = ntohl((__force __be32)id_of(ct));
	symbol_put(nf_ct_get_id);
	return id;
}

int ps_host_conntrack_mark(const struct ps_packet *packet, u32 mark)
{
#ifdef CONFIG_NF_CONNTRACK_MARK
	enum ip_conntrack_info info;
	struct nf_conn *ct = nf_ct_get(packet->skb, &info);

	if (!ct)
		return -1;
	WRITE_ONCE(ct->mark, mark);
	return 0;
#else
	return -1;
#endif
}

#else

int ps_host_conntrack(const struct ps_packet *packet, struct ps_conntrack *out)
{
	return -1;
}

u32 ps_host_conntrack_id(const struct ps_packet *packet)
{
	return 0;
}

int ps_host_conntrack_mark(const struct ps_packet *packet, u32 mark)
{
	return -1;
}

#endif
