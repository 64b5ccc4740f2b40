// SPDX-License-Identifier: GPL-2.0-only
/*
 * Timers of scripts: one work item for each environment, armed for the timer that is due first. It
 * runs one timer at a time under the environment's lock, and goes back to the queue for the next.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/jiffies.h>

#include "ps.h"

/* At most so long at once: what is due later is asked about again. */
#define PS_TIMER_WAIT_MS (24 * 60 * 60 * 1000)

/* Under the environment's lock, or before anybody else can have it. */
static void ps_timer_queue(struct ps_env *env)
{
	u64 now = ps_host_now_ms();
	u64 wait = env->timer_due > now ? env->timer_due - now : 0;

	mod_delayed_work(ps_workqueue, &env->timer_work,
			 msecs_to_jiffies(min_t(u64, wait, PS_TIMER_WAIT_MS)));
}

void ps_host_timer(void *cookie, u64 due_ms)
{
	struct ps_env *env = cookie;

	if (due_ms >= env->timer_due)
		return;
	env->timer_due = due_ms;
	/* The top level runs without the lock. */
	if (!env->load_text)
		ps_timer_queue(env);
}

/**
 * ps_timer_start - lets the timers run that the top level made
 * @env: whose top level is done, and which nobody else knows yet
 */
void ps_timer_start(struct ps_env *env)
{
	if (env->timer_due != PS_NEVER)
		ps_timer_queue(env);
}

/*
 * ps_timer_work - the work item of an environment's timers
 */
void ps_timer_work(struct work_struct *work)
{
	struct ps_env *env = container_of(to_delayed_work(work), struct ps_env, timer_work);
	struct ps_timed timed;

	spin_lock_bh(&env->lock);
	ps_frame_enter(&env->frame);
	/* What it starts meanwhile is in what ps_timer() says. */
	env->timer_due = 0;
	ps_timer(env->region, &timed);
	env->timer_due = timed.next;
	if (timed.ran && timed.status != PS_STATUS_OK) {
		env->errors++;
		if (timed.status == PS_STATUS_POISONED)
			ps_store_recover(env);
		else
			ps_mail_error(env);
	}
	if (timed.next != PS_NEVER)
		ps_timer_queue(env);
	ps_frame_leave(&env->frame);
	spin_unlock_bh(&env->lock);
}
