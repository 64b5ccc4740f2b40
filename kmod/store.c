// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stores: memory that environments of a namespace share by name. The engine knows what is in it; here
 * it is made, locked, and given back when the last environment that opened it goes.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "ps.h"

/**
 * struct ps_store - one of them
 * @holders: environments that opened it; under ps_net.lock, as @list
 * @lock: of the memory; taken under an environment's, and only one at a time
 */
struct ps_store {
	struct list_head list;
	unsigned int holders;
	spinlock_t lock;
	size_t len;
	u8 *memory;
	size_t name_len;
	u8 name[32];
};

static struct ps_store *ps_store_find(struct ps_net *pn, const u8 *name, size_t len)
{
	struct ps_store *store;

	list_for_each_entry(store, &pn->stores, list)
		if (store->name_len == len && !memcmp(store->name, name, len))
			return store;
	return NULL;
}

static struct ps_store *ps_store_alloc(struct ps_net *pn, const u8 *name, size_t len, u64 size)
{
	struct ps_store *store;
	bool room;

	mutex_lock(&pn->lock);
	room = size <= READ_ONCE(ps_net_memory.value) &&
	       pn->memory <= READ_ONCE(ps_net_memory.value) - size;
	if (room)
		pn->memory += size;
	mutex_unlock(&pn->lock);
	if (!room)
		return NULL;

	store = kzalloc(sizeof(*store), GFP_KERNEL_ACCOUNT);
	if (store)
		store->memory = __vmalloc(size, GFP_KERNEL_ACCOUNT | __GFP_ZERO | __GFP_NOWARN);
	if (!store || !store->memory) {
		kfree(store);
		mutex_lock(&pn->lock);
		pn->memory -= size;
		mutex_unlock(&pn->lock);
		return NULL;
	}
	spin_lock_init(&store->lock);
	store->len = size;
	store->name_len = len;
	memcpy(store->name, name, len);
	return store;
}

int ps_host_store_open(void *cookie, const u8 *name, size_t name_len, u64 size)
{
	struct ps_env *env = cookie;
	struct ps_net *pn = env->version->pn;
	struct ps_store *store;
	int i;

	/* The top level runs in process context, under load_lock. */
	if (!env->load_text)
		return -2;
	if (name_len > sizeof(store->name) || !size)
		return -1;
	mutex_lock(&pn->lock);
	store = ps_store_find(pn, name, name_len);
	for (i = 0; store && i < env->store_count; i++) {
		if (env->stores[i] == store) {
			mutex_unlock(&pn->lock);
			return i;
		}
	}
	if (env->store_count < PS_STORES_MAX && store)
		store->holders++;
	mutex_unlock(&pn->lock);
	if (env->store_count >= PS_STORES_MAX)
		return -3;
	if (!store) {
		store = ps_store_alloc(pn, name, name_len, size);
		if (!store)
			return -1;
		mutex_lock(&pn->lock);
		store->holders = 1;
		list_add_tail(&store->list, &pn->stores);
		mutex_unlock(&pn->lock);
	}
	env->stores[env->store_count] = store;
	return env->store_count++;
}

u8 *ps_host_store_lock(void *cookie, u32 handle, size_t *len)
{
	struct ps_env *env = cookie;
	struct ps_store *store;

	if (handle >= env->store_count)
		return NULL;
	store = env->stores[handle];
	spin_lock_bh(&store->lock);
	env->store_locked = store;
	*len = store->len;
	return store->memory;
}

void ps_host_store_unlock(void *cookie, u32 handle)
{
	struct ps_env *env = cookie;

	env->store_locked = NULL;
	spin_unlock_bh(&env->stores[handle]->lock);
}

/**
 * ps_store_recover - after a panic of the engine: unlocks what it had locked
 * @env: that panicked
 */
void ps_store_recover(struct ps_env *env)
{
	struct ps_store *store = env->store_locked;

	env->store_locked = NULL;
	if (store)
		spin_unlock_bh(&store->lock);
}

/**
 * ps_store_release - gives back what an environment opened
 * @env: that nobody can enter any more
 */
void ps_store_release(struct ps_env *env)
{
	struct ps_net *pn = env->version->pn;

	while (env->store_count) {
		struct ps_store *store = env->stores[--env->store_count];
		bool last;

		mutex_lock(&pn->lock);
		last = --store->holders == 0;
		if (last) {
			list_del(&store->list);
			pn->memory -= store->len;
		}
		mutex_unlock(&pn->lock);
		if (last) {
			vfree(store->memory);
			kfree(store);
		}
	}
}
