// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is inside the engine. A panic in there jumps back to where the innermost entry of the
 * running context was made, so that entry must be found.
 *
 * Packets run under an environment's lock, with bottom halves off. So the entries of one CPU are
 * nested, and all of one task: nothing that runs packets comes in between. The exception is
 * PREEMPT_RT, where tasks share a CPU while they hold locks: there the task is kept and asked for.
 *
 * The slow calls of process context are in a list of their own. A packet may interrupt one, never
 * the other way round: whoever finds packets on its CPU is inside the innermost of them.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include "ps.h"

DEFINE_PER_CPU(struct ps_frame *, ps_frame_top);
static struct ps_frame *ps_slow_top;
static DEFINE_SPINLOCK(ps_slow_lock);

static bool ps_frame_mine(const struct ps_frame *frame)
{
	return !IS_ENABLED(CONFIG_PREEMPT_RT) || frame->task == current;
}

/*
 * ps_frame_refused - whether the running task is in this environment, or in too deep, already
 */
bool ps_frame_refused(const void *slot)
{
	const struct ps_frame *frame;
	unsigned int depth = 0;
	bool again = false;

	/* In an interruptible context the CPU may change meanwhile: then none of these is ours. */
	preempt_disable();
	for (frame = __this_cpu_read(ps_frame_top); frame; frame = frame->outer)
		if (ps_frame_mine(frame)) {
			depth++;
			again |= frame->slot == slot;
		}
	preempt_enable();
	return again || depth >= PS_DEPTH_MAX;
}

static void ps_frame_unlink(struct ps_frame **at, const struct ps_frame *frame)
{
	while (*at != frame)
		at = &(*at)->outer;
	*at = frame->outer;
}

/*
 * ps_frame_remove_rt - an entry that is not always the last one made on its CPU
 */
void ps_frame_remove_rt(struct ps_frame *frame)
{
	preempt_disable();
	ps_frame_unlink(this_cpu_ptr(&ps_frame_top), frame);
	preempt_enable();
}

/*
 * ps_frame_enter_slow - process context enters the engine
 */
void ps_frame_enter_slow(struct ps_frame *frame, void *slot)
{
	frame->slot = slot;
	frame->task = current;
	spin_lock_bh(&ps_slow_lock);
	frame->outer = ps_slow_top;
	ps_slow_top = frame;
	spin_unlock_bh(&ps_slow_lock);
}

/*
 * ps_frame_leave_slow - and leaves it
 */
void ps_frame_leave_slow(struct ps_frame *frame)
{
	spin_lock_bh(&ps_slow_lock);
	ps_frame_unlink(&ps_slow_top, frame);
	spin_unlock_bh(&ps_slow_lock);
}

void *ps_host_entry(void)
{
	struct ps_frame *frame;

	preempt_disable();
	for (frame = __this_cpu_read(ps_frame_top); frame; frame = frame->outer)
		if (ps_frame_mine(frame))
			break;
	preempt_enable();
	if (frame)
		return frame->slot;

	spin_lock_bh(&ps_slow_lock);
	for (frame = ps_slow_top; frame && frame->task != current; frame = frame->outer)
		;
	spin_unlock_bh(&ps_slow_lock);
	/* Every caller of the engine makes a frame first. */
	BUG_ON(!frame);
	return frame->slot;
}
