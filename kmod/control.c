// SPDX-License-Identifier: GPL-2.0-only
/*
 * The generic-netlink family, as abi/packetscript.h describes it.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/netlink.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <net/genetlink.h>

#include "compat.h"
#include "ps.h"

#define PS_UNLOAD_WAIT 50	/* milliseconds, for rules that are about to go */

/* One request on its way; texts are owned by ps_request(). */
struct ps_request {
	struct genl_info *info;
	struct ps_net *pn;
	struct ps_text err;
	struct ps_text out;
	char name[PS_NAME_LEN];
	const char *path;
};

static const struct nla_policy ps_policy[__PS_A_MAX] = {
	[PS_A_ABI] = { .type = NLA_U32 },
	[PS_A_NAME] = { .type = NLA_NUL_STRING, .len = PS_NAME_LEN - 1 },
	[PS_A_PATH] = { .type = NLA_NUL_STRING, .len = PS_PATH_MAX - 1 },
	[PS_A_SOURCE] = { .type = NLA_NESTED },
	[PS_A_ARG] = { .type = NLA_NUL_STRING },
	[PS_A_HASH] = { .type = NLA_U64 },
	[PS_A_FLAGS] = { .type = NLA_U32 },
	[PS_A_RULE] = { .type = NLA_U64 },
	[PS_A_TGINFO] = NLA_POLICY_EXACT_LEN(sizeof(struct xt_lua_tginfo)),
};

/* ---- replies --------------------------------------------------------------------------------- */

static struct sk_buff *ps_reply_new(struct ps_request *req, u8 cmd, size_t room, void **head)
{
	struct sk_buff *skb = genlmsg_new(room, GFP_KERNEL | __GFP_NOWARN);

	if (!skb)
		return NULL;
	*head = genlmsg_put_reply(skb, req->info, &ps_genl_family, 0, cmd);
	if (!*head) {
		nlmsg_free(skb);
		return NULL;
	}
	return skb;
}

static int ps_reply_end(struct ps_request *req, struct sk_buff *skb, void *head, int err)
{
	if (err) {
		nlmsg_free(skb);
		return -EMSGSIZE;
	}
	genlmsg_end(skb, head);
	return genlmsg_reply(skb, req->info);
}

/* STAGE, LOAD and RELOAD: hash, a number of their own, what there is to say. */
static int ps_reply_loaded(struct ps_request *req, u8 cmd, u64 hash, u64 stage, const u32 *count)
{
	struct sk_buff *skb;
	void *head;
	int err;

	skb = ps_reply_new(req, cmd, 128 + nla_total_size(req->out.used + 1), &head);
	if (!skb)
		return -ENOMEM;
	err = nla_put_u64_64bit(skb, PS_A_HASH, hash, PS_A_PAD);
	if (stage)
		err = err ?: nla_put_u64_64bit(skb, PS_A_STAGE, stage, PS_A_PAD);
	if (count)
		err = err ?: nla_put_u32(skb, PS_A_COUNT, *count);
	if (req->out.used)
		err = err ?: nla_put_string(skb, PS_A_TEXT, req->out.at);
	return ps_reply_end(req, skb, head, err);
}

static void ps_reply_error(struct ps_request *req)
{
	struct sk_buff *skb;
	void *head;

	skb = ps_reply_new(req, PS_CMD_ERROR, nla_total_size(req->err.used + 1), &head);
	if (skb)
		ps_reply_end(req, skb, head, nla_put_string(skb, PS_A_TEXT, req->err.at));
}

/* ---- requests -------------------------------------------------------------------------------- */

static int ps_request_name(struct ps_request *req)
{
	const struct nlattr *attr = req->info->attrs[PS_A_NAME];

	/* The policy saw to its length and its NUL. */
	if (attr)
		strscpy(req->name, nla_data(attr), sizeof(req->name));
	if (!req->name[0]) {
		ps_text_add(&req->err, "the request names no script");
		return -EINVAL;
	}
	return 0;
}

static int ps_request_begin(struct ps_request *req)
{
	const struct nlattr *abi = req->info->attrs[PS_A_ABI];
	const struct nlattr *path = req->info->attrs[PS_A_PATH];

	if (!abi || nla_get_u32(abi) != PS_ABI) {
		ps_text_add(&req->err,
			    "the module speaks ABI %u and this program another: install the two from one release",
			    PS_ABI);
		return -EPROTO;
	}
	if (path)
		req->path = nla_data(path);
	return 0;
}

/* Runs an operation; its text of an error goes out before the ack. */
static int ps_request(struct genl_info *info, int (*operation)(struct ps_request *req))
{
	struct ps_request req = { .info = info, .pn = ps_net_of(genl_info_net(info)) };
	int ret = ps_text_init(&req.err, PS_ERROR_MAX);

	if (ret)
		return ret;
	ret = ps_text_init(&req.out, PS_ERROR_MAX) ?: ps_request_begin(&req) ?: operation(&req);
	if (ret < 0 && req.err.used)
		ps_reply_error(&req);
	ps_text_free(&req.out);
	ps_text_free(&req.err);
	return ret;
}

/* The version that a request's source makes, or is; with one more user. Under load_lock. */
static struct ps_version *ps_request_version(struct ps_request *req)
{
	struct ps_version *version;
	struct ps_source *source = ps_source_read(req->info, &req->err);

	if (IS_ERR(source))
		return ERR_CAST(source);
	version = ps_version_load(req->pn, req->name, req->path, &source, &req->err);
	kvfree(source);
	return version;
}

static int ps_hello(struct sk_buff *skb, struct genl_info *info)
{
	struct ps_request req = { .info = info };
	struct sk_buff *reply;
	void *head;
	int err;

	reply = ps_reply_new(&req, PS_CMD_HELLO, 128, &head);
	if (!reply)
		return -ENOMEM;
	err = nla_put_u32(reply, PS_A_ABI, PS_ABI) ?:
	      nla_put_string(reply, PS_A_VERSION, PS_VERSION);
	return ps_reply_end(&req, reply, head, err);
}

/* The environment and the function of a rule to come, so that what fails there has a text. */
static struct ps_env *ps_stage_env(struct ps_request *req, struct ps_version *version)
{
	const struct xt_lua_tginfo *tginfo = nla_data(req->info->attrs[PS_A_TGINFO]);
	struct xt_lua_tginfo info = *tginfo;
	struct ps_env *env;
	int ret;

	ret = ps_rule_validate(&info, &req->err);
	if (ret)
		return ERR_PTR(ret);
	env = ps_env_get(version, info.state, info.memory, &req->err, &req->out);
	if (IS_ERR(env))
		return env;
	ret = ps_env_find_function(env, info.function, &req->err);
	if (ret < 0) {
		ps_env_put_user(env);
		return ERR_PTR(ret);
	}
	return env;
}

static int ps_do_stage_locked(struct ps_request *req)
{
	struct ps_version *version;
	struct ps_env *env = NULL;
	u64 hash, stage;

	if (req->info->attrs[PS_A_SOURCE]) {
		version = ps_request_version(req);
	} else {
		version = ps_version_for(req->pn, req->name, req->info->snd_portid);
		if (!version) {
			ps_text_add(&req->err,
				    "no script '%s' is loaded: give --script FILE, or load it first",
				    req->name);
			return -ENOENT;
		}
	}
	if (IS_ERR(version))
		return PTR_ERR(version);
	if (req->info->attrs[PS_A_TGINFO]) {
		env = ps_stage_env(req, version);
		if (IS_ERR(env)) {
			ps_version_put_user(version);
			return PTR_ERR(env);
		}
	}
	ps_version_notice(version, &req->out);
	hash = version->hash;
	stage = ps_stage_add(version, env, req->info->snd_portid);
	if (!stage) {
		if (env)
			ps_env_put_user(env);
		ps_version_put_user(version);
		return -ENOMEM;
	}
	return ps_reply_loaded(req, PS_CMD_STAGE, hash, stage, NULL);
}

static int ps_do_load_locked(struct ps_request *req)
{
	struct ps_version *version = ps_request_version(req);
	int ret;

	if (IS_ERR(version))
		return PTR_ERR(version);
	ret = ps_version_keep(version, &req->err, &req->out);
	if (!ret) {
		ps_version_take(version);
		ps_version_notice(version, &req->out);
		ret = ps_reply_loaded(req, PS_CMD_LOAD, version->hash, 0, NULL);
	}
	ps_version_put_user(version);
	return ret;
}

static int ps_do_reload_locked(struct ps_request *req)
{
	struct ps_version *version = ps_request_version(req);
	u32 moved = 0;
	int ret;

	if (IS_ERR(version))
		return PTR_ERR(version);
	ret = ps_version_reload(version, &moved, &req->err, &req->out);
	if (!ret) {
		ret = ps_version_keep(version, &req->err, &req->out);
		if (ret && moved) {
			ps_text_add(&req->out, "%s: it goes with its last rule, for: %s\n",
				    version->name, req->err.at);
			ret = 0;
		}
	}
	if (!ret)
		ret = ps_reply_loaded(req, PS_CMD_RELOAD, version->hash, 0, &moved);
	ps_version_put_user(version);
	return ret;
}

static int ps_locked(struct ps_request *req, int (*operation)(struct ps_request *req))
{
	int ret = ps_request_name(req);

	if (ret)
		return ret;
	/* A compilation may take a while: whoever waits for it may still be killed. */
	ret = mutex_lock_killable(&req->pn->load_lock);
	if (ret)
		return ret;
	ret = operation(req);
	mutex_unlock(&req->pn->load_lock);
	return ret;
}

static int ps_do_stage(struct ps_request *req)
{
	return ps_locked(req, ps_do_stage_locked);
}

static int ps_do_load(struct ps_request *req)
{
	return ps_locked(req, ps_do_load_locked);
}

static int ps_do_reload(struct ps_request *req)
{
	return ps_locked(req, ps_do_reload_locked);
}

/* nft destroys rules a moment after the command that deleted them returned: wait for that. */
static int ps_do_unload(struct ps_request *req)
{
	unsigned int tries = 20;
	int ret = ps_request_name(req);

	if (ret)
		return ret;
	for (;;) {
		req->err.used = 0;
		ret = ps_version_unload(req->pn, req->name, &req->err);
		if (ret != -EBUSY || !--tries || msleep_interruptible(PS_UNLOAD_WAIT))
			return ret;
	}
}

/* What GET asks for, with one more user. */
static struct ps_version *ps_get_version(struct ps_request *req)
{
	const struct nlattr *hash = req->info->attrs[PS_A_HASH];
	const struct nlattr *id = req->info->attrs[PS_A_RULE];
	struct ps_version *version = NULL;
	struct ps_rule *rule;
	u64 value;
	int ret;

	if (id) {
		mutex_lock(&req->pn->lock);
		rule = xa_load(&req->pn->rules, nla_get_u64(id));
		if (rule) {
			version = ps_rule_version(rule);
			version->users++;
		}
		mutex_unlock(&req->pn->lock);
		if (!version)
			ps_text_add(&req->err, "there is no rule %llu", nla_get_u64(id));
		return version;
	}
	ret = ps_request_name(req);
	if (ret)
		return ERR_PTR(ret);
	if (hash)
		value = nla_get_u64(hash);
	version = ps_version_find(req->pn, req->name, hash ? &value : NULL);
	if (!version && hash)
		ps_text_add(&req->err, "%s: version %016llx is not loaded", req->name, value);
	else if (!version)
		ps_text_add(&req->err, "%s: no such script is loaded", req->name);
	return version;
}

static int ps_do_get(struct ps_request *req)
{
	const struct nlattr *wish = req->info->attrs[PS_A_FLAGS];
	bool brief = wish && (nla_get_u32(wish) & PS_GET_BRIEF);
	struct ps_version *version = ps_get_version(req);
	struct sk_buff *skb;
	u32 flags;
	void *head;
	int err;

	if (IS_ERR_OR_NULL(version))
		return version ? PTR_ERR(version) : -ENOENT;
	mutex_lock(&req->pn->lock);
	flags = (version->kept ? PS_SCRIPT_KEPT : 0) |
		(ps_version_is_newest(version) ? PS_SCRIPT_NEWEST : 0);
	mutex_unlock(&req->pn->lock);
	skb = ps_reply_new(req, PS_CMD_GET,
			   256 + PS_PATH_MAX + ps_source_room(version->source, brief), &head);
	if (!skb) {
		ps_version_put_user(version);
		return -ENOMEM;
	}
	err = nla_put_string(skb, PS_A_NAME, version->name) ?:
	      nla_put_u64_64bit(skb, PS_A_HASH, version->hash, PS_A_PAD) ?:
	      nla_put_u32(skb, PS_A_FLAGS, flags);
	if (version->path)
		err = err ?: nla_put_string(skb, PS_A_PATH, version->path);
	err = err ?: ps_source_write(skb, version->source, brief);
	ps_version_put_user(version);
	return ps_reply_end(req, skb, head, err);
}

static int ps_do_reset(struct ps_request *req)
{
	bool all = !req->info->attrs[PS_A_NAME];
	struct ps_rule *rule;
	unsigned long id;
	u32 count = 0;
	int ret;

	ret = all ? 0 : ps_request_name(req);
	if (ret)
		return ret;
	mutex_lock(&req->pn->lock);
	xa_for_each(&req->pn->rules, id, rule)
		if (all || !strcmp(rule->info.name, req->name)) {
			ps_rule_reset(rule);
			count++;
		}
	mutex_unlock(&req->pn->lock);
	if (!all && !count) {
		ps_text_add(&req->err, "%s: no rule runs it", req->name);
		return -ENOENT;
	}
	return 0;
}

#define PS_DOIT(what)                                                                             \
	static int ps_##what(struct sk_buff *skb, struct genl_info *info)                         \
	{                                                                                         \
		return ps_request(info, ps_do_##what);                                            \
	}

PS_DOIT(stage)
PS_DOIT(load)
PS_DOIT(unload)
PS_DOIT(reload)
PS_DOIT(get)
PS_DOIT(reset)

/* GENL_ADMIN_PERM asks for CAP_NET_ADMIN in the initial user namespace. */
#define PS_OP(command, function, permission)                                                      \
	{                                                                                         \
		.cmd = (command), .doit = (function), .flags = (permission),                      \
		.validate = GENL_DONT_VALIDATE_STRICT                                             \
	}

static const struct genl_ops ps_ops[] = {
	PS_OP(PS_CMD_HELLO, ps_hello, 0),
	PS_OP(PS_CMD_STAGE, ps_stage, GENL_ADMIN_PERM),
	PS_OP(PS_CMD_LOAD, ps_load, GENL_ADMIN_PERM),
	PS_OP(PS_CMD_UNLOAD, ps_unload, GENL_ADMIN_PERM),
	PS_OP(PS_CMD_RELOAD, ps_reload, GENL_ADMIN_PERM),
	PS_OP(PS_CMD_GET, ps_get, GENL_ADMIN_PERM),
	PS_OP(PS_CMD_RESET, ps_reset, GENL_ADMIN_PERM),
};

static const struct genl_multicast_group ps_groups[] = {
	{ .name = PS_GENL_GROUP_EVENTS },
};

struct genl_family ps_genl_family __ro_after_init = {
	.name = PS_GENL_NAME,
	.version = PS_GENL_VERSION,
	.maxattr = __PS_A_MAX - 1,
	.policy = ps_policy,
	.netnsok = true,
	.parallel_ops = true,
	.ops = ps_ops,
	.n_ops = ARRAY_SIZE(ps_ops),
	PS_GENL_RESV_START
	.mcgrps = ps_groups,
	.n_mcgrps = ARRAY_SIZE(ps_groups),
	.module = THIS_MODULE,
};

/* ---- sockets that close ---------------------------------------------------------------------- */

static int ps_netlink_event(struct notifier_block *block, unsigned long event, void *data)
{
	const struct netlink_notify *notify = data;

	if (event == NETLINK_URELEASE && notify->protocol == NETLINK_GENERIC)
		ps_stage_release(ps_net_of(notify->net), notify->portid);
	return NOTIFY_DONE;
}

static struct notifier_block ps_netlink_notifier = {
	.notifier_call = ps_netlink_event,
};

int __init ps_control_init(void)
{
	int err = netlink_register_notifier(&ps_netlink_notifier);

	if (err)
		return err;
	err = genl_register_family(&ps_genl_family);
	if (err)
		netlink_unregister_notifier(&ps_netlink_notifier);
	return err;
}

void ps_control_exit(void)
{
	genl_unregister_family(&ps_genl_family);
	netlink_unregister_notifier(&ps_netlink_notifier);
}

MODULE_ALIAS_GENL_FAMILY(PS_GENL_NAME);
