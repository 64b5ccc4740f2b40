// SPDX-License-Identifier: GPL-2.0-only
/*
 * The module's parameters, its beginning and end.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "compat.h"
#include "ps.h"

static int ps_param_set(const char *text, const struct kernel_param *kp)
{
	struct ps_param *param = kp->arg;
	u64 value;
	int err = kstrtou64(text, 0, &value);

	if (err)
		return err;
	if (value < param->min || value > param->max) {
		pr_err("%s: %llu is not between %llu and %llu\n", kp->name, value, param->min,
		       param->max);
		return -ERANGE;
	}
	WRITE_ONCE(param->value, value);
	return 0;
}

static int ps_param_get(char *buf, const struct kernel_param *kp)
{
	const struct ps_param *param = kp->arg;

	return sprintf(buf, "%llu\n", READ_ONCE(param->value));
}

static const struct kernel_param_ops ps_param_ops = {
	.set = ps_param_set,
	.get = ps_param_get,
};

#define PS_PARAM(name, default_value, minimum, maximum, text)                                     \
	struct ps_param ps_##name = {                                                             \
		.value = (default_value), .min = (minimum), .max = (maximum)                      \
	};                                                                                        \
	module_param_cb(name, &ps_param_ops, &ps_##name, 0644);                                   \
	MODULE_PARM_DESC(name, text)

PS_PARAM(max_source, PS_SOURCE_MAX, 1024, 16u << 20,
	 "Bytes of source that a script may have, modules included");
PS_PARAM(fuel, PS_FUEL_DEFAULT, 100, 100000000ull,
	 "Fuel of a packet where a rule says nothing (1 fuel is about 50 machine instructions)");
PS_PARAM(max_fuel, 10000000ull, 100, 100000000ull, "The most fuel a rule may ask for");
PS_PARAM(load_fuel, PS_LOAD_FUEL_DEFAULT, 1000, 1000000000ull, "Fuel of a script's top level");
PS_PARAM(memory, PS_MEMORY_DEFAULT, PS_MEMORY_MIN, 1ull << 30,
	 "Live bytes of an environment where a rule says nothing");
PS_PARAM(max_memory, 64ull << 20, PS_MEMORY_MIN, 1ull << 30,
	 "The most live bytes a rule may ask for");
PS_PARAM(net_memory, 256ull << 20, 1ull << 20, 64ull << 30,
	 "Bytes that all environments of a network namespace may take");

unsigned int ps_proc_gid;
module_param_named(proc_gid, ps_proc_gid, uint, 0444);
MODULE_PARM_DESC(proc_gid, "Group that may read /proc/net/packetscript beside root");

struct workqueue_struct *ps_workqueue;

static int __init ps_init(void)
{
	int err;

	ps_workqueue = alloc_workqueue("packetscript", WQ_UNBOUND, 0);
	if (!ps_workqueue)
		return -ENOMEM;
	err = ps_net_init();
	if (err)
		goto no_net;
	err = ps_control_init();
	if (err)
		goto no_control;
	err = ps_target_init();
	if (err)
		goto no_target;
	return 0;

no_target:
	ps_control_exit();
no_control:
	ps_net_exit();
no_net:
	rcu_barrier();
	destroy_workqueue(ps_workqueue);
	return err;
}

/* Rules hold the module, so there are none here; scripts that LOAD keeps go with it. */
static void __exit ps_exit(void)
{
	ps_target_exit();
	ps_control_exit();
	ps_net_exit();
	/* RCU callbacks queue work, so they come first. */
	rcu_barrier();
	destroy_workqueue(ps_workqueue);
}

module_init(ps_init);
module_exit(ps_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("PacketScript: Lua scripts decide about packets");
MODULE_VERSION(PS_VERSION);
MODULE_ALIAS("ipt_LUA");
MODULE_ALIAS("ip6t_LUA");
