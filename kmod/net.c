// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a network namespace has.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/slab.h>
#include <net/net_namespace.h>
#include <net/netns/generic.h>

#include "ps.h"

static unsigned int ps_net_id __read_mostly;

/*
 * ps_net_of - PacketScript in this namespace
 *
 * Valid between the namespace's init and exit; take a reference to keep it longer.
 */
struct ps_net *ps_net_of(const struct net *net)
{
	return *(struct ps_net **)net_generic(net, ps_net_id);
}

static int __net_init ps_net_enter(struct net *net)
{
	struct ps_net *pn = kzalloc(sizeof(*pn), GFP_KERNEL);
	int err;

	if (!pn)
		return -ENOMEM;
	refcount_set(&pn->refs, 1);
	pn->net = net;
	mutex_init(&pn->load_lock);
	mutex_init(&pn->lock);
	INIT_LIST_HEAD(&pn->versions);
	INIT_LIST_HEAD(&pn->stages);
	INIT_LIST_HEAD(&pn->stores);
	xa_init(&pn->rules);
	*(struct ps_net **)net_generic(net, ps_net_id) = pn;
	err = ps_proc_init(pn);
	if (err)
		ps_net_put(pn);
	return err;
}

/* Rules may outlive this: their destroy callbacks run after it. They find pn by themselves. */
static void __net_exit ps_net_leave(struct net *net)
{
	struct ps_net *pn = ps_net_of(net);

	ps_proc_exit(pn);
	mutex_lock(&pn->lock);
	pn->net = NULL;
	mutex_unlock(&pn->lock);
	ps_registry_clear(pn);
	ps_net_put(pn);
}

/*
 * ps_net_put - drop a reference
 */
void ps_net_put(struct ps_net *pn)
{
	if (!refcount_dec_and_test(&pn->refs))
		return;
	xa_destroy(&pn->rules);
	kfree(pn);
}

static struct pernet_operations ps_net_ops = {
	.init = ps_net_enter,
	.exit = ps_net_leave,
	.id = &ps_net_id,
	.size = sizeof(struct ps_net *),
};

int ps_net_init(void)
{
	return register_pernet_subsys(&ps_net_ops);
}

void ps_net_exit(void)
{
	unregister_pernet_subsys(&ps_net_ops);
}
