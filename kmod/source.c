// SPDX-License-Identifier: GPL-2.0-only
/*
 * Source texts and arguments as they come and go by netlink.
 */
#define pr_fmt(fmt) "packetscript: " fmt

#include <crypto/hash.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <net/genetlink.h>

#include "compat.h"
#include "ps.h"

/* One PS_A_SOURCE, opened. */
struct ps_piece {
	const char *name;
	size_t name_len;
	const u8 *text;
	size_t text_len;
};

static int ps_piece_open(const struct nlattr *attr, struct ps_piece *piece)
{
	const struct nlattr *name = NULL, *text = NULL, *at;
	int rem;

	nla_for_each_nested(at, attr, rem) {
		if (nla_type(at) == PS_A_CHUNK_NAME)
			name = at;
		else if (nla_type(at) == PS_A_CHUNK_TEXT)
			text = at;
	}
	if (!name || !text)
		return -EINVAL;
	piece->name = nla_data(name);
	piece->name_len = strnlen(piece->name, nla_len(name));
	if (!piece->name_len || piece->name_len == nla_len(name))
		return -EINVAL;
	piece->text = nla_data(text);
	piece->text_len = nla_len(text);
	return 0;
}

static int ps_source_digest(struct ps_source *source)
{
	struct crypto_shash *tfm = crypto_alloc_shash("sha256", 0, 0);
	__le64 len;
	size_t i;
	int err;

	if (IS_ERR(tfm))
		return PTR_ERR(tfm);
	{
		SHASH_DESC_ON_STACK(desc, tfm);

		desc->tfm = tfm;
		err = crypto_shash_init(desc);
		for (i = 0; i < source->chunk_count && !err; i++) {
			const struct ps_chunk *chunk = &source->chunks[i];

			len = cpu_to_le64(chunk->name_len);
			err = crypto_shash_update(desc, (u8 *)&len, sizeof(len)) ?:
			      crypto_shash_update(desc, chunk->name, chunk->name_len);
			len = cpu_to_le64(chunk->text_len);
			err = err ?: crypto_shash_update(desc, (u8 *)&len, sizeof(len)) ?:
				     crypto_shash_update(desc, chunk->text, chunk->text_len);
		}
		for (i = 0; i < source->arg_count && !err; i++) {
			const struct ps_arg *arg = &source->args[i];

			/* No text has this length, so arguments cannot pass for one. */
			len = cpu_to_le64(~0ull);
			err = crypto_shash_update(desc, (u8 *)&len, sizeof(len));
			len = cpu_to_le64(arg->key_len);
			err = err ?: crypto_shash_update(desc, (u8 *)&len, sizeof(len)) ?:
				     crypto_shash_update(desc, arg->key, arg->key_len);
			len = cpu_to_le64(arg->value_len);
			err = err ?: crypto_shash_update(desc, (u8 *)&len, sizeof(len)) ?:
				     crypto_shash_update(desc, arg->value, arg->value_len);
		}
		err = err ?: crypto_shash_final(desc, source->digest);
		shash_desc_zero(desc);
	}
	crypto_free_shash(tfm);
	return err;
}

/*
 * ps_source_hash - the part of the digest that is shown
 */
u64 ps_source_hash(const struct ps_source *source)
{
	return get_unaligned_be64(source->digest);
}

/* Sizes and forms of all pieces and arguments; @room gets the bytes that they need. */
static int ps_source_measure(struct genl_info *info, size_t *room, struct ps_text *err)
{
	size_t texts = 0, args = 0;
	const struct nlattr *attr;
	struct ps_piece piece;
	int rem;

	*room = 0;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) == PS_A_SOURCE) {
			if (ps_piece_open(attr, &piece)) {
				ps_text_add(err, "a piece of source without a name or a text");
				return -EINVAL;
			}
			texts += piece.text_len;
			*room += piece.name_len + piece.text_len;
		} else if (nla_type(attr) == PS_A_ARG) {
			if (!memchr(nla_data(attr), '=', nla_len(attr)) || ++args > PS_ARGS_MAX) {
				ps_text_add(err, args > PS_ARGS_MAX ?
						 "more than %u arguments" :
						 "an argument is KEY=VALUE (at most %u of them)",
					    PS_ARGS_MAX);
				return -EINVAL;
			}
			*room += nla_len(attr);
		}
	}
	if (!texts && !*room) {
		ps_text_add(err, "the request has no source");
		return -EINVAL;
	}
	if (texts > READ_ONCE(ps_max_source.value)) {
		ps_text_add(err, "%zu bytes of source are over %llu (module parameter max_source)",
			    texts, READ_ONCE(ps_max_source.value));
		return -E2BIG;
	}
	return 0;
}

static bool ps_chunk_named(const struct ps_chunk *chunk, const struct ps_piece *piece)
{
	return chunk->name_len == piece->name_len &&
	       !memcmp(chunk->name, piece->name, piece->name_len);
}

/* Appends a piece at @at; returns how many bytes it took, or an error. */
static ssize_t ps_source_append(struct ps_source *source, const struct ps_piece *piece, u8 *at,
				struct ps_text *err)
{
	struct ps_chunk *chunk = source->chunks + source->chunk_count - 1;
	u8 *text = at;
	size_t i;

	if (!source->chunk_count || !ps_chunk_named(chunk, piece)) {
		for (i = 0; i < source->chunk_count; i++)
			if (ps_chunk_named(&source->chunks[i], piece)) {
				ps_text_add(err, "'%s' comes twice", piece->name);
				return -EINVAL;
			}
		if (source->chunk_count == PS_CHUNKS_MAX) {
			ps_text_add(err, "more than %u modules", PS_CHUNKS_MAX - 1);
			return -EINVAL;
		}
		chunk = &source->chunks[source->chunk_count++];
		memcpy(at, piece->name, piece->name_len);
		text = at + piece->name_len;
		chunk->name = at;
		chunk->name_len = piece->name_len;
		chunk->text = text;
	}
	memcpy(text, piece->text, piece->text_len);
	chunk->text_len += piece->text_len;
	source->bytes += piece->text_len;
	return text + piece->text_len - at;
}

/**
 * ps_source_read - the script, its modules and arguments of a request
 * @info: the request
 * @err: gets the reason
 *
 * Return: to be freed by kvfree(), or an error with its reason in @err.
 */
struct ps_source *ps_source_read(struct genl_info *info, struct ps_text *err)
{
	const struct nlattr *attr;
	struct ps_source *source;
	struct ps_piece piece;
	size_t room;
	ssize_t len;
	int rem;
	u8 *at;
	int ret = ps_source_measure(info, &room, err);

	if (ret)
		return ERR_PTR(ret);
	source = kvzalloc(struct_size(source, texts, room), GFP_KERNEL_ACCOUNT);
	if (!source)
		return ERR_PTR(-ENOMEM);
	at = source->texts;
	nlmsg_for_each_attr(attr, info->nlhdr, GENL_HDRLEN, rem) {
		if (nla_type(attr) == PS_A_SOURCE) {
			ret = ps_piece_open(attr, &piece);
			if (ret)
				goto fail;
			len = ps_source_append(source, &piece, at, err);
			if (len < 0) {
				ret = len;
				goto fail;
			}
			at += len;
		} else if (nla_type(attr) == PS_A_ARG) {
			struct ps_arg *arg = &source->args[source->arg_count++];
			size_t total = strnlen(nla_data(attr), nla_len(attr));
			u8 *equals;

			memcpy(at, nla_data(attr), total);
			equals = memchr(at, '=', total);
			if (!equals || equals == at) {
				ps_text_add(err, "an argument is KEY=VALUE");
				ret = -EINVAL;
				goto fail;
			}
			arg->key = at;
			arg->key_len = equals - at;
			arg->value = equals + 1;
			arg->value_len = at + total - arg->value;
			at += total;
		}
	}
	if (!source->chunk_count) {
		ps_text_add(err, "the request has no source");
		ret = -EINVAL;
		goto fail;
	}
	ret = ps_source_digest(source);
	if (ret) {
		ps_text_add(err, "no SHA-256 in this kernel");
		goto fail;
	}
	return source;

fail:
	kvfree(source);
	return ERR_PTR(ret);
}

static size_t ps_pieces(const struct ps_chunk *chunk)
{
	return max_t(size_t, 1, DIV_ROUND_UP(chunk->text_len, PS_SOURCE_PIECE));
}

/*
 * ps_source_room - bytes that ps_source_write() needs
 */
size_t ps_source_room(const struct ps_source *source, bool brief)
{
	size_t i, room = 0;

	for (i = 0; i < source->chunk_count && !brief; i++) {
		const struct ps_chunk *chunk = &source->chunks[i];

		room += ps_pieces(chunk) * (nla_total_size(0) + nla_total_size(chunk->name_len + 1) +
					    nla_total_size(0) + NLA_ALIGNTO) + chunk->text_len;
	}
	for (i = 0; i < source->arg_count; i++)
		room += nla_total_size(source->args[i].key_len + source->args[i].value_len + 2);
	return room;
}

static int ps_chunk_write(struct sk_buff *to, const struct ps_chunk *chunk)
{
	size_t at = 0, len;

	do {
		struct nlattr *nest = nla_nest_start_noflag(to, PS_A_SOURCE);
		struct nlattr *name;

		if (!nest)
			return -EMSGSIZE;
		name = nla_reserve(to, PS_A_CHUNK_NAME, chunk->name_len + 1);
		if (!name)
			return -EMSGSIZE;
		memcpy(nla_data(name), chunk->name, chunk->name_len);
		((char *)nla_data(name))[chunk->name_len] = '\0';
		len = min_t(size_t, chunk->text_len - at, PS_SOURCE_PIECE);
		if (nla_put(to, PS_A_CHUNK_TEXT, len, chunk->text + at))
			return -EMSGSIZE;
		nla_nest_end(to, nest);
		at += len;
	} while (at < chunk->text_len);
	return 0;
}

/*
 * ps_source_write - the script, its modules and arguments into a reply
 */
int ps_source_write(struct sk_buff *to, const struct ps_source *source, bool brief)
{
	size_t i;
	int err;

	for (i = 0; i < source->chunk_count && !brief; i++) {
		err = ps_chunk_write(to, &source->chunks[i]);
		if (err)
			return err;
	}
	for (i = 0; i < source->arg_count; i++) {
		const struct ps_arg *arg = &source->args[i];
		struct nlattr *attr = nla_reserve(to, PS_A_ARG, arg->key_len + arg->value_len + 2);
		char *at;

		if (!attr)
			return -EMSGSIZE;
		at = nla_data(attr);
		memcpy(at, arg->key, arg->key_len);
		at[arg->key_len] = '=';
		memcpy(at + arg->key_len + 1, arg->value, arg->value_len);
		at[arg->key_len + 1 + arg->value_len] = '\0';
	}
	return 0;
}
