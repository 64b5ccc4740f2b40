// SPDX-License-Identifier: GPL-2.0-only
/*
 * Texts in the making.
 */
#include <linux/kernel.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "ps.h"

/*
 * ps_text_init - an empty text with so many bytes of room
 */
int ps_text_init(struct ps_text *text, size_t room)
{
	text->at = kvzalloc(room, GFP_KERNEL);
	text->used = 0;
	text->room = room;
	return text->at ? 0 : -ENOMEM;
}

void ps_text_free(struct ps_text *text)
{
	kvfree(text->at);
}

/*
 * ps_text_add - append what a format makes
 */
void ps_text_add(struct ps_text *text, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	text->used += vscnprintf(text->at + text->used, text->room - text->used, format, args);
	va_end(args);
}

/*
 * ps_text_put - append bytes; a NUL among them becomes a question mark
 */
void ps_text_put(struct ps_text *text, const u8 *bytes, size_t len)
{
	len = min(len, text->room - text->used - 1);
	while (len--) {
		text->at[text->used++] = *bytes ? *bytes : '?';
		bytes++;
	}
	text->at[text->used] = '\0';
}
