// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/packetscript: what abi/packetscript.h says, read-only.
 */
#include <linux/netfilter.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <net/net_namespace.h>

#include "ps.h"

static const char *const ps_hook_names[NF_INET_NUMHOOKS] = {
	[NF_INET_PRE_ROUTING] = "PREROUTING",
	[NF_INET_LOCAL_IN] = "INPUT",
	[NF_INET_FORWARD] = "FORWARD",
	[NF_INET_LOCAL_OUT] = "OUTPUT",
	[NF_INET_POST_ROUTING] = "POSTROUTING",
};

static const char *const ps_on_error_names[] = { "drop", "accept", "continue" };

static void ps_seq_bytes(struct seq_file *m, const u8 *bytes, size_t len)
{
	seq_putc(m, '\t');
	if (!len)
		seq_putc(m, '-');
	for (; len--; bytes++) {
		if (*bytes < ' ' || *bytes > '~' || *bytes == '\\')
			seq_printf(m, "\\x%02x", *bytes);
		else
			seq_putc(m, *bytes);
	}
}

static void ps_seq_text(struct seq_file *m, const char *text)
{
	ps_seq_bytes(m, (const u8 *)text, text ? strlen(text) : 0);
}

static void ps_seq_u64(struct seq_file *m, u64 value)
{
	seq_putc(m, '\t');
	seq_put_decimal_ull(m, "", value);
}

/* packets bytes accept drop continue queue */
static void ps_seq_counts(struct seq_file *m, const struct ps_counts *counts)
{
	ps_seq_u64(m, ps_counts_packets(counts));
	ps_seq_u64(m, counts->bytes);
	ps_seq_u64(m, counts->outcome[PS_ACCEPT]);
	ps_seq_u64(m, counts->outcome[PS_DROP]);
	ps_seq_u64(m, counts->outcome[PS_CONTINUE]);
	ps_seq_u64(m, counts->outcome[PS_QUEUE]);
}

static void ps_show_script(struct seq_file *m, struct ps_version *version, u8 *text)
{
	u64 packets = version->gone_packets, errors = version->gone_errors, live = 0, limit = 0;
	struct ps_env *env;
	unsigned int envs = 0;
	size_t text_len = 0;

	list_for_each_entry(env, &version->envs, list) {
		envs++;
		packets += READ_ONCE(env->packets);
		errors += READ_ONCE(env->errors);
		live += ps_env_live(env);
		limit += env->memory;
		text_len = ps_env_error_text(env, text, PS_ERROR_MAX) ?: text_len;
	}
	seq_puts(m, version->name);
	seq_printf(m, "\t%016llx", version->hash);
	ps_seq_text(m, version->path);
	if (version->kept && ps_version_is_newest(version))
		seq_puts(m, "\tkept,newest");
	else if (version->kept)
		seq_puts(m, "\tkept");
	else
		seq_puts(m, ps_version_is_newest(version) ? "\tnewest" : "\t-");
	ps_seq_u64(m, version->rules);
	ps_seq_u64(m, envs);
	ps_seq_u64(m, version->loaded);
	ps_seq_text(m, version->by);
	ps_seq_u64(m, version->uid);
	ps_seq_u64(m, version->source->bytes);
	ps_seq_u64(m, live);
	ps_seq_u64(m, limit);
	ps_seq_u64(m, packets);
	ps_seq_u64(m, errors);
	ps_seq_bytes(m, text, text_len);
	seq_putc(m, '\n');
}

static int ps_show_scripts(struct seq_file *m, void *unused)
{
	struct ps_net *pn = ps_net_of(seq_file_single_net(m));
	u8 *text = kmalloc(PS_ERROR_MAX, GFP_KERNEL);
	struct ps_version *version;

	if (!text)
		return -ENOMEM;
	seq_printf(m, "packetscript\t%u\tscripts\n", PS_ABI);
	seq_puts(m, "name\thash\tpath\tflags\trules\tenvs\tloaded\tby\tuid\tbytes\tmemory\tlimit\tpackets\terrors\tlast_error\n");
	mutex_lock(&pn->lock);
	list_for_each_entry(version, &pn->versions, list)
		ps_show_script(m, version, text);
	mutex_unlock(&pn->lock);
	kfree(text);
	return 0;
}

static void ps_show_rule(struct seq_file *m, const struct ps_rule *rule)
{
	const struct ps_version *version = ps_rule_version(rule);
	struct ps_counts counts = {}, sum;
	unsigned int hook;
	bool first = true;

	seq_put_decimal_ull(m, "", rule->id);
	ps_seq_text(m, version->name);
	seq_printf(m, "\t%016llx", version->hash);
	ps_seq_text(m, rule->info.function);
	ps_seq_u64(m, rule->info.state);
	seq_puts(m, rule->family == NFPROTO_IPV6 ? "\tipv6" : "\tipv4");
	ps_seq_text(m, rule->table);
	seq_putc(m, '\t');
	for (hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
		ps_rule_sum(rule, hook, &sum);
		ps_counts_add(&counts, &sum);
		if (rule->hook_mask & (1u << hook)) {
			seq_printf(m, "%s%s", first ? "" : ",", ps_hook_names[hook]);
			first = false;
		}
	}
	if (first)
		seq_putc(m, '-');
	ps_seq_text(m, ps_on_error_names[rule->on_error]);
	ps_seq_text(m, "shared");
	ps_seq_u64(m, rule->fuel);
	ps_seq_counts(m, &counts);
	ps_seq_u64(m, counts.outcome[PS_REJECT]);
	ps_seq_u64(m, counts.outcome[PS_REPEAT]);
	ps_seq_u64(m, counts.outcome[PS_STOLEN]);
	ps_seq_u64(m, counts.outcome[PS_OUTCOME_ERROR]);
	ps_seq_u64(m, counts.fuel);
	ps_seq_u64(m, counts.time);
	seq_putc(m, '\n');
}

static int ps_show_rules(struct seq_file *m, void *unused)
{
	struct ps_net *pn = ps_net_of(seq_file_single_net(m));
	struct ps_rule *rule;
	unsigned long id;

	seq_printf(m, "packetscript\t%u\trules\n", PS_ABI);
	seq_puts(m, "id\tname\thash\tfunction\tstate\tfamily\ttable\thooks\ton_error\tscope\tfuel_limit\tpackets\tbytes\taccept\tdrop\tcontinue\tqueue\treject\trepeat\tstolen\terrors\tfuel\ttime\n");
	mutex_lock(&pn->lock);
	xa_for_each(&pn->rules, id, rule)
		ps_show_rule(m, rule);
	mutex_unlock(&pn->lock);
	return 0;
}

static int ps_show_hooks(struct seq_file *m, void *unused)
{
	static const u8 families[PS_FAMILIES] = { NFPROTO_IPV4, NFPROTO_IPV6 };
	struct ps_net *pn = ps_net_of(seq_file_single_net(m));
	struct ps_counts counts, sum;
	unsigned int family, hook, rules;
	struct ps_rule *rule;
	unsigned long id;

	seq_printf(m, "packetscript\t%u\thooks\n", PS_ABI);
	seq_puts(m, "family\thook\trules\tpackets\tbytes\taccept\tdrop\tcontinue\tqueue\terrors\n");
	mutex_lock(&pn->lock);
	for (family = 0; family < PS_FAMILIES; family++)
		for (hook = 0; hook < NF_INET_NUMHOOKS; hook++) {
			counts = pn->gone[family][hook];
			rules = 0;
			xa_for_each(&pn->rules, id, rule) {
				if (rule->family != families[family])
					continue;
				rules += !!(rule->hook_mask & (1u << hook));
				ps_rule_sum(rule, hook, &sum);
				ps_counts_add(&counts, &sum);
			}
			seq_puts(m, family ? "ipv6" : "ipv4");
			ps_seq_text(m, ps_hook_names[hook]);
			ps_seq_u64(m, rules);
			ps_seq_counts(m, &counts);
			ps_seq_u64(m, counts.outcome[PS_OUTCOME_ERROR]);
			seq_putc(m, '\n');
		}
	mutex_unlock(&pn->lock);
	return 0;
}

static int ps_proc_file(struct ps_net *pn, const char *name,
			int (*show)(struct seq_file *m, void *v))
{
	struct proc_dir_entry *entry;

	entry = proc_create_net_single(name, 0440, pn->proc, show, NULL);
	if (!entry)
		return -ENOMEM;
	proc_set_user(entry, GLOBAL_ROOT_UID, make_kgid(&init_user_ns, ps_proc_gid));
	return 0;
}

/*
 * ps_proc_init - the files of a namespace
 */
int ps_proc_init(struct ps_net *pn)
{
	int err;

	pn->proc = proc_net_mkdir(pn->net, PS_PROC_DIR, pn->net->proc_net);
	if (!pn->proc)
		return -ENOMEM;
	err = ps_proc_file(pn, PS_PROC_SCRIPTS, ps_show_scripts) ?:
	      ps_proc_file(pn, PS_PROC_RULES, ps_show_rules) ?:
	      ps_proc_file(pn, PS_PROC_HOOKS, ps_show_hooks);
	if (err)
		ps_proc_exit(pn);
	return err;
}

void ps_proc_exit(struct ps_net *pn)
{
	proc_remove(pn->proc);
}
