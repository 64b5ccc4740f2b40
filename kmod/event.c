// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is told to listeners and to the kernel's log. Nothing is sent while a packet holds its
 * environment: what a packet has to tell waits as mail for a work item, ten times a second at most.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/cred.h>
#include <linux/jiffies.h>
#include <linux/slab.h>
#include <linux/uidgid.h>
#include <net/genetlink.h>

#include "ps.h"

#define PS_MAIL_DELAY (HZ / 10)
#define PS_PRINT_LOST 64	/* room for a word about lines that are lost */

static void ps_event_send(struct ps_version *version, enum ps_event event, const char *text,
			  bool ours)
{
	struct ps_net *pn = version->pn;
	struct sk_buff *skb;
	void *head;
	int err;

	skb = genlmsg_new(256 + (text ? nla_total_size(strlen(text) + 1) : 0), GFP_KERNEL);
	if (!skb)
		return;
	head = genlmsg_put(skb, 0, 0, &ps_genl_family, 0, PS_CMD_EVENT);
	err = !head ? -EMSGSIZE :
		      nla_put_u32(skb, PS_A_EVENT, event) ?:
		      nla_put_string(skb, PS_A_NAME, version->name) ?:
		      nla_put_u64_64bit(skb, PS_A_HASH, version->hash, PS_A_PAD);
	if (text)
		err = err ?: nla_put_string(skb, PS_A_TEXT, text);
	if (ours) {
		char comm[TASK_COMM_LEN];

		get_task_comm(comm, current);
		err = err ?: nla_put_string(skb, PS_A_PROGRAM, comm) ?:
			     nla_put_u32(skb, PS_A_UID,
					 from_kuid_munged(&init_user_ns, current_uid()));
	}
	if (err) {
		nlmsg_free(skb);
		return;
	}
	genlmsg_end(skb, head);
	/* The lock keeps the namespace. */
	mutex_lock(&pn->lock);
	if (pn->net)
		genlmsg_multicast_netns(&ps_genl_family, pn->net, skb, 0, 0, GFP_KERNEL);
	else
		nlmsg_free(skb);
	mutex_unlock(&pn->lock);
}

/*
 * ps_event - tell that something happened to a version; in process context
 */
void ps_event(struct ps_version *version, enum ps_event event, const char *text)
{
	static const char *const done[] = {
		[PS_EVENT_LOAD] = "loaded",
		[PS_EVENT_UNLOAD] = "unloaded",
		[PS_EVENT_RELOAD] = "took over its rules",
	};

	pr_info("%s: version %016llx from %s %s by %s[%d]\n", version->name, version->hash,
		version->path ?: "no file", done[event], current->comm, task_pid_nr(current));
	ps_event_send(version, event, text, true);
}

/*
 * ps_mail_error - the packet at hand ended in an error; under the environment's lock
 */
void ps_mail_error(struct ps_env *env)
{
	struct ps_mail *mail = env->mail;

	if (mail->error_used) {
		mail->error_lost++;
		return;
	}
	mail->error_used = ps_env_last_error(env->region, (u8 *)mail->error,
					     sizeof(mail->error) - 1);
	mail->error[mail->error_used] = '\0';
	queue_delayed_work(ps_workqueue, &env->mail_work, PS_MAIL_DELAY);
}

/*
 * ps_mail_print - a line that a script printed; under the environment's lock
 */
void ps_mail_print(struct ps_env *env, const u8 *text, size_t len)
{
	struct ps_mail *mail = env->mail;
	struct ps_text line = {
		.at = mail->print,
		.used = mail->print_used,
		.room = sizeof(mail->print) - PS_PRINT_LOST,
	};

	if (line.room - line.used < len + 2) {
		mail->print_lost++;
	} else {
		ps_text_put(&line, text, len);
		ps_text_put(&line, "\n", 1);
		mail->print_used = line.used;
	}
	queue_delayed_work(ps_workqueue, &env->mail_work, PS_MAIL_DELAY);
}

/*
 * ps_mail_deliver - the work item of an environment's mail
 */
void ps_mail_deliver(struct work_struct *work)
{
	struct ps_env *env = container_of(to_delayed_work(work), struct ps_env, mail_work);
	struct ps_version *version = env->version;
	struct ps_mail *mail = kmalloc(sizeof(*mail), GFP_KERNEL);

	if (!mail) {
		queue_delayed_work(ps_workqueue, &env->mail_work, PS_MAIL_DELAY);
		return;
	}
	spin_lock_bh(&env->lock);
	*mail = *env->mail;
	memset(env->mail, 0, offsetof(struct ps_mail, print));
	spin_unlock_bh(&env->lock);

	if (mail->print_lost)
		scnprintf(mail->print + mail->print_used, PS_PRINT_LOST,
			  "(%u lines more than there was room for)\n", mail->print_lost);
	if (mail->print_used || mail->print_lost)
		ps_event_send(version, PS_EVENT_PRINT, mail->print, false);
	if (mail->error_used) {
		ps_event_send(version, PS_EVENT_ERROR, mail->error, false);
		if (__ratelimit(&version->log)) {
			if (mail->error_lost)
				pr_warn("%s: %s (and %u more)\n", version->name, mail->error,
					mail->error_lost);
			else
				pr_warn("%s: %s\n", version->name, mail->error);
		}
	}
	kfree(mail);
}
