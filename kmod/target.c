// SPDX-License-Identifier: GPL-2.0-only
/*
 * "LUA" as xtables sees it.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/capability.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/netfilter/x_tables.h>

#include "compat.h"
#include "ps.h"

static struct ps_rule *ps_target_rule(const struct xt_lua_tginfo *info)
{
	return (struct ps_rule *)(uintptr_t)info->kernel;
}

/*
 * Runs in the process that changes the table, on both back ends. Legacy iptables checks every rule
 * of the table again at each change; ps_rule_get() knows them by their ids.
 */
static int ps_target_check(const struct xt_tgchk_param *par)
{
	struct xt_lua_tginfo *info = par->targinfo;
	struct ps_rule *rule;
	struct ps_text err;
	int ret;

	/* A user namespace must not be a way to run code in the kernel. */
	if (!capable(CAP_NET_ADMIN))
		return -EPERM;
	ret = ps_text_init(&err, PS_ERROR_MAX);
	if (ret)
		return ret;
	ret = ps_rule_validate(info, &err);
	if (!ret) {
		rule = ps_rule_get(ps_net_of(par->net), info, par, &err);
		if (IS_ERR(rule)) {
			ret = PTR_ERR(rule);
		} else {
			info->rule_id = rule->id;
			info->kernel = (uintptr_t)rule;
		}
	}
	if (ret && err.used)
		pr_info_ratelimited("%s\n", err.at);
	ps_text_free(&err);
	return ret;
}

static void ps_target_destroy(const struct xt_tgdtor_param *par)
{
	ps_rule_put(ps_target_rule(par->targinfo));
}

#define PS_TARGET(proto)                                                                          \
	{                                                                                         \
		.name = "LUA",                                                                    \
		.revision = 0,                                                                    \
		.family = (proto),                                                                \
		.target = ps_target,                                                              \
		.checkentry = ps_target_check,                                                    \
		.destroy = ps_target_destroy,                                                     \
		.targetsize = sizeof(struct xt_lua_tginfo),                                       \
		.usersize = offsetof(struct xt_lua_tginfo, kernel),                               \
		.me = THIS_MODULE,                                                                \
	}

static struct xt_target ps_targets[] __read_mostly = {
	PS_TARGET(NFPROTO_IPV4),
	PS_TARGET(NFPROTO_IPV6),
};

int ps_target_init(void)
{
	return xt_register_targets(ps_targets, ARRAY_SIZE(ps_targets));
}

void ps_target_exit(void)
{
	xt_unregister_targets(ps_targets, ARRAY_SIZE(ps_targets));
}
