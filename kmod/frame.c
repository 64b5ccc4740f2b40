// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who is inside the engine. A panic in there jumps back to where the innermost entry of the
 * running context was made, so that entry must be found: packets run with bottom halves off and
 * are kept by CPU, the slow calls of process context in one list. Both know the task, for a packet
 * may interrupt a slow call of the task it borrows, and on PREEMPT_RT several tasks share a CPU.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/preempt.h>

#include "ps.h"

static DEFINE_PER_CPU(struct hlist_head, ps_frames);
static HLIST_HEAD(ps_slow_frames);
static DEFINE_SPINLOCK(ps_slow_lock);

/**
 * ps_frame_enter - a packet enters the engine
 * @frame: on the caller's stack
 * @slot: where the engine keeps its entry state
 *
 * The caller stays on this CPU (it holds a lock taken by spin_lock_bh) until ps_frame_leave().
 *
 * Return: false if the running task is in too deep already.
 */
bool ps_frame_enter(struct ps_frame *frame, void *slot)
{
	struct hlist_head *frames;
	struct ps_frame *outer;
	unsigned int depth = 0;

	preempt_disable();
	frames = this_cpu_ptr(&ps_frames);
	if (unlikely(!hlist_empty(frames))) {
		hlist_for_each_entry(outer, frames, node)
			depth += outer->task == current;
		if (depth >= PS_DEPTH_MAX) {
			preempt_enable();
			return false;
		}
	}
	frame->task = current;
	frame->slot = slot;
	hlist_add_head(&frame->node, frames);
	preempt_enable();
	return true;
}

/*
 * ps_frame_leave - and leaves it
 */
void ps_frame_leave(struct ps_frame *frame)
{
	preempt_disable();
	__hlist_del(&frame->node);
	preempt_enable();
}

/*
 * ps_frame_enter_slow - process context enters the engine
 */
void ps_frame_enter_slow(struct ps_frame *frame, void *slot)
{
	frame->task = current;
	frame->slot = slot;
	spin_lock_bh(&ps_slow_lock);
	hlist_add_head(&frame->node, &ps_slow_frames);
	spin_unlock_bh(&ps_slow_lock);
}

void ps_frame_leave_slow(struct ps_frame *frame)
{
	spin_lock_bh(&ps_slow_lock);
	hlist_del(&frame->node);
	spin_unlock_bh(&ps_slow_lock);
}

static void *ps_frame_find(struct hlist_head *frames)
{
	struct ps_frame *frame;

	hlist_for_each_entry(frame, frames, node)
		if (frame->task == current)
			return frame->slot;
	return NULL;
}

void *ps_host_entry(void)
{
	void *slot;

	preempt_disable();
	slot = ps_frame_find(this_cpu_ptr(&ps_frames));
	preempt_enable();
	if (slot)
		return slot;
	spin_lock_bh(&ps_slow_lock);
	slot = ps_frame_find(&ps_slow_frames);
	spin_unlock_bh(&ps_slow_lock);
	/* Every caller of the engine makes a frame first. */
	BUG_ON(!slot);
	return slot;
}
