// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own object in a user-space program: the seam of engine.h, call by call, and what
 * happens when the engine panics. It is the very code that kernels get, so it is also what
 * callgrind counts best:
 *
 *   try                      the checks; ends with a count, status 1 if one failed
 *   try FILE.lua [PACKETS]   runs a script on so many packets (UDP, 50 bytes, port 1234)
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../engine.h"

#define MEMORY (1u << 20)
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static unsigned int passed, failed;

static void check(bool good, const char *format, ...)
{
	va_list args;

	passed += good;
	failed += !good;
	if (good)
		return;
	va_start(args, format);
	printf("FAILED: ");
	vprintf(format, args);
	printf("\n");
	va_end(args);
}

/* ---- the shim's side ------------------------------------------------------------------------- */

static u8 compile_entry[PS_ENTRY_SIZE] __attribute__((aligned(16)));
static void *entry = compile_entry;
static char panic_text[256];
static char printed[256];

void *ps_host_entry(void)
{
	return entry;
}

static u64 clock_ms = 1000;
static unsigned int breaths, breaths_left = ~0u;
static u64 timer_ms;
static struct ps_conntrack connection = { .state = PS_CT_ESTABLISHED, .family = 2, .mark = 3 };

u64 ps_host_now_ms(void)
{
	return clock_ms;
}

int ps_host_conntrack(const struct ps_packet *packet, struct ps_conntrack *out)
{
	(void)packet;
	*out = connection;
	return 0;
}

u32 ps_host_conntrack_id(const struct ps_packet *packet)
{
	(void)packet;
	return 77;
}

int ps_host_conntrack_mark(const struct ps_packet *packet, u32 mark)
{
	(void)packet;
	connection.mark = mark;
	return 0;
}

/* One store, whatever its name. */
static u8 *store;
static size_t store_len;
static bool store_locked;

int ps_host_store_open(void *cookie, const u8 *name, size_t name_len, u64 size)
{
	(void)cookie, (void)name, (void)name_len;
	if (!store) {
		store = calloc(1, size);
		store_len = size;
	}
	return 0;
}

u8 *ps_host_store_lock(void *cookie, u32 handle, size_t *len)
{
	(void)cookie;
	if (handle || !store || store_locked)
		return NULL;
	store_locked = true;
	*len = store_len;
	return store;
}

void ps_host_store_unlock(void *cookie, u32 handle)
{
	(void)cookie, (void)handle;
	store_locked = false;
}

void ps_host_timer(void *cookie, u64 due_ms)
{
	(void)cookie;
	timer_ms = due_ms;
}

bool ps_host_breathe(void)
{
	breaths++;
	return breaths_left && breaths_left--;
}

s64 ps_host_unix_time(void)
{
	return 0;
}

void ps_host_describe(struct ps_packet *packet)
{
	packet->known = 1;
	packet->ethertype = 0x0800;
}

int ps_host_read(const struct ps_packet *packet, u32 offset, u8 *to, u32 len)
{
	if (offset > packet->len || len > packet->len - offset)
		return -1;
	memcpy(to, packet->data + offset, len);
	return 0;
}

int ps_host_make_writable(struct ps_packet *packet, u32 len)
{
	return len <= packet->linear ? 0 : -1;
}

int ps_host_resize(struct ps_packet *packet, u32 offset, u32 old_len, u32 new_len)
{
	(void)packet, (void)offset, (void)old_len, (void)new_len;
	return -1;
}

void ps_host_set_mark(struct ps_packet *packet, u32 mark)
{
	packet->mark = mark;
}

void ps_host_set_priority(struct ps_packet *packet, u32 priority)
{
	packet->priority = priority;
}

size_t ps_host_ifname(const struct ps_packet *packet, u32 which, u8 *buf)
{
	(void)packet;
	memcpy(buf, which ? "out0" : "in00", 4);
	return 4;
}

bool ps_host_csum_partial(const struct ps_packet *packet, u32 field)
{
	(void)packet, (void)field;
	return false;
}

int ps_host_csum_settle(struct ps_packet *packet, u32 offset)
{
	(void)packet, (void)offset;
	return 0;
}

void ps_host_print(void *cookie, const struct ps_packet *packet, const u8 *text, size_t len)
{
	(void)cookie, (void)packet;
	snprintf(printed, sizeof(printed), "%.*s", (int)len, text);
}

void ps_host_panicked(const u8 *text, size_t len)
{
	snprintf(panic_text, sizeof(panic_text), "%.*s", (int)len, text);
}

/* ---- scripts --------------------------------------------------------------------------------- */

struct script {
	u8 *image;
	s64 image_len;
	u8 *region;
	char err[4096];
};

static void *zeroed(size_t len)
{
	void *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	return at;
}

static bool compile(struct script *script, const char *name, const char *text, size_t len)
{
	const struct ps_chunk chunk = { (const u8 *)name, strlen(name), (const u8 *)text, len };
	size_t room = ps_compile_workspace(&chunk, 1), used = 0;

	entry = compile_entry;
	script->image = zeroed(room);
	script->image_len = ps_compile(&chunk, 1, 0x5eed, script->image, room, (u8 *)script->err,
				       sizeof(script->err) - 1, &used);
	script->err[used] = '\0';
	return script->image_len >= 0;
}

static bool make(struct script *script, const struct ps_arg *args, size_t arg_count)
{
	const struct ps_env_config config = {
		.memory = MEMORY, .load_fuel = 100000000, .packet_fuel = 100000, .error_pause = 100,
		.args = args, .arg_count = arg_count,
	};
	size_t len = ps_env_region(script->image, script->image_len, MEMORY), used = 0;
	int ret;

	script->region = zeroed(len);
	entry = script->region;
	ret = ps_env_create(script->region, len, script->image, script->image_len, &config,
			    (u8 *)script->err, sizeof(script->err) - 1, &used);
	script->err[used] = '\0';
	return !ret;
}

static bool load(struct script *script, const char *text)
{
	return compile(script, "try.lua", text, strlen(text)) && make(script, NULL, 0);
}

static int find(struct script *script, const char *name)
{
	size_t used = 0;
	int handle = ps_env_bind(script->region, (const u8 *)name, strlen(name), (u8 *)script->err,
				 sizeof(script->err) - 1, &used);

	script->err[used] = '\0';
	return handle;
}

static const char *last_error(struct script *script)
{
	size_t len = ps_env_last_error(script->region, (u8 *)script->err, sizeof(script->err) - 1);

	script->err[len] = '\0';
	return script->err;
}

static u8 udp[50] = { 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 17, 0, 0, 10, 1, 0, 2, 10, 2, 0, 9,
		      0x99, 1, 0x04, 0xd2, 0, 30 };

static struct ps_result run(struct script *script, int handle)
{
	struct ps_packet packet = {
		.data = udp, .linear = sizeof(udp), .len = sizeof(udp), .family = 2, .hook = 2,
	};

	entry = script->region;
	return ps_run(script->region, handle, &packet, 0);
}

/* ---- the checks ------------------------------------------------------------------------------ */

static void check_verdicts(void)
{
	static const struct {
		const char *text;
		u32 status;
		u32 verdict;
		u32 operand;
	} cases[] = {
		{ "return ACCEPT", PS_STATUS_OK, PS_ACCEPT, 0 },
		{ "return DROP", PS_STATUS_OK, PS_DROP, 0 },
		{ "return CONTINUE", PS_STATUS_OK, PS_CONTINUE, 0 },
		{ "", PS_STATUS_OK, PS_CONTINUE, 0 },
		{ "return QUEUE(3)", PS_STATUS_OK, PS_QUEUE, 3 },
		{ "return QUEUE(3, 'bypass')", PS_STATUS_OK, PS_QUEUE, 3 | PS_QUEUE_BYPASS },
		{ "if p.udp.dport == 1234 then return DROP end", PS_STATUS_OK, PS_DROP, 0 },
		{ "if p.udp.dport == 53 then return DROP end", PS_STATUS_OK, PS_CONTINUE, 0 },
		{ "error 'no'", PS_STATUS_ERROR, 0, 0 },
		{ "return 'what'", PS_STATUS_ERROR, 0, 0 },
		{ "local s = 0 for i = 1, 100 do s = s + i end if s == 5050 then return DROP end",
		  PS_STATUS_OK, PS_DROP, 0 },
		{ "local s = 0 for i = 3, 0, -1.5 do s = s + 1 end if s == 3 then return DROP end",
		  PS_STATUS_OK, PS_DROP, 0 },
		{ "local s = 0 for i = 1, 9 do for j = i, 9 do s = s + j end s = s + i end "
		  "if s == 330 then return DROP end", PS_STATUS_OK, PS_DROP, 0 },
		{ "local s = 0 for i = 1, 1e9 do s = s + i end", PS_STATUS_FUEL, 0, 0 },
		{ "while true do end", PS_STATUS_FUEL, 0, 0 },
		{ "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(4000) .. i end", PS_STATUS_MEMORY, 0, 0 },
	};
	struct ps_result result;
	struct script script;
	char text[256];
	size_t i;

	for (i = 0; i < LEN(cases); i++) {
		snprintf(text, sizeof(text), "function process_packet(p) %s end", cases[i].text);
		if (!load(&script, text)) {
			check(false, "%s: %s", cases[i].text, script.err);
			continue;
		}
		result = run(&script, find(&script, "process_packet"));
		check(PS_WHAT_STATUS(result.what) == cases[i].status, "%s: status %u, %s", cases[i].text,
		      PS_WHAT_STATUS(result.what), last_error(&script));
		if (PS_WHAT_STATUS(result.what) == PS_STATUS_OK)
			check(PS_WHAT_VERDICT(result.what) == cases[i].verdict &&
			      PS_WHAT_OPERAND(result.what) == cases[i].operand,
			      "%s: verdict %u, %x", cases[i].text, PS_WHAT_VERDICT(result.what),
			      PS_WHAT_OPERAND(result.what));
		else
			check(*last_error(&script), "%s: an error without a text", cases[i].text);
	}
}

static void check_loading(void)
{
	static const struct ps_arg arg = { (const u8 *)"k", 1, (const u8 *)"value", 5 };
	struct ps_env_usage usage;
	struct script script;
	int handle;

	check(!load(&script, "function f(\n x = = 1") && strstr(script.err, "try.lua:2:"),
	      "a syntax error says: %s", script.err);
	check(!load(&script, "error 'top'") && strstr(script.err, "try.lua:1: top"),
	      "a top level that fails says: %s", script.err);
	check(compile(&script, "try.lua", "print(args.k) function f() end", 30) &&
	      make(&script, &arg, 1) && !strcmp(printed, "value"), "args.k is %s", printed);
	handle = find(&script, "f");
	check(handle >= 0 && find(&script, "f") == handle, "a name has one handle");
	check(find(&script, "g") < 0 && strstr(script.err, "'g'"), "no function: %s", script.err);
	ps_env_usage(script.region, &usage);
	check(usage.live_bytes && !usage.poisoned, "memory is in use");
}

static void check_timers(void)
{
	static const char text[] =
		"after(50, function() print('rang') end) every(30, function() error 'odd' end)\n"
		"function f(p)\n"
		"  assert(p.ct.state == 'established' and p.ct.mark == 3 and p.ct.id == 77)\n"
		"  p.ct.mark = 5\n"
		"  return DROP\n"
		"end";
	struct ps_timed timed;
	struct script script;

	check(load(&script, text), "%s", script.err);
	check(PS_WHAT_VERDICT(run(&script, find(&script, "f")).what) == PS_DROP && connection.mark == 5,
	      "a connection is read and marked: %s", last_error(&script));
	check(timer_ms == 1030, "the host is asked for %llu", (unsigned long long)timer_ms);
	ps_timer(script.region, &timed);
	check(!timed.ran && timed.next == 1030, "nothing is due yet");
	clock_ms = 1050;
	ps_timer(script.region, &timed);
	check(timed.ran && timed.status == PS_STATUS_ERROR && timed.next == 1050 &&
	      strstr(last_error(&script), "odd"), "the first is an error: %s", script.err);
	ps_timer(script.region, &timed);
	check(timed.ran && timed.status == PS_STATUS_OK && timed.next == 1060 && timed.fuel &&
	      !strcmp(printed, "rang"), "the second prints %s", printed);
	clock_ms = 1000;
}

/* A long top level takes breath, and ends when it is told to. */
static void check_breathing(void)
{
	static const char text[] = "local n = 0 for i = 1, 1000000 do n = n + i end";
	struct script script;

	breaths = 0;
	check(load(&script, text) && breaths > 20, "a top level took breath %u times", breaths);
	breaths_left = 3;
	check(!load(&script, text) && strstr(script.err, "interrupted"),
	      "one that is interrupted says: %s", script.err);
	check(!load(&script, "pcall(function() while true do end end)") &&
	      strstr(script.err, "interrupted"), "nothing catches that: %s", script.err);
	breaths_left = ~0u;
	check(!load(&script, "while true do end") && strstr(script.err, "out of fuel"),
	      "an endless one says: %s", script.err);
}

/* Of many errors one in so many milliseconds has a text. */
static void check_errors(void)
{
	struct script script;
	int handle;

	check(load(&script, "n = 0 function f() n = n + 1 error('number ' .. n) end"), "%s",
	      script.err);
	handle = find(&script, "f");
	check(PS_WHAT_STATUS(run(&script, handle).what) == PS_STATUS_ERROR &&
	      strstr(last_error(&script), "number 1\n"), "the first error says: %s", script.err);
	check(PS_WHAT_STATUS(run(&script, handle).what) == PS_STATUS_ERROR &&
	      strstr(last_error(&script), "number 1\n"), "the second has no text: %s", script.err);
	clock_ms += 101;
	check(PS_WHAT_STATUS(run(&script, handle).what) == PS_STATUS_ERROR &&
	      strstr(last_error(&script), "number 3\n"), "a later one has: %s", script.err);
}

static void check_stores(void)
{
	static const char text[] =
		"local m = map { name = 'counts', max = 4 }\n"
		"function f(p) if m:incr(p.src) == 3 then return DROP end return ACCEPT end";
	struct script script[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		check(load(&script[i], text), "%s", script[i].err);
	for (i = 0; i < 4; i++) {
		struct ps_result result = run(&script[i % 2], find(&script[i % 2], "f"));

		check(result.what == (i == 2 ? PS_DROP : PS_ACCEPT),
		      "two scripts count together: %u", i);
	}
	check(!store_locked, "it is left unlocked");
}

/* Needs an object with the feature "mistake". */
static void check_panics(void)
{
	register u64 kept_b asm("rbx") = 0x1111, kept_c asm("r12") = 0x2222;
	struct ps_env_usage usage;
	struct ps_result result;
	struct script script;
	int handle;

	check(load(&script, "function f() return ACCEPT end"), "%s", script.err);
	handle = find(&script, "f");
	check(find(&script, "ps_mistake") < 0 && strstr(script.err, "mistake"),
	      "a panic while a function is looked up says: %s", script.err);
	check(PS_WHAT_STATUS(run(&script, handle).what) == PS_STATUS_POISONED, "its environment is not run again");

	check(load(&script, "function f() return ACCEPT end"), "%s", script.err);
	handle = find(&script, "f");
	check(PS_WHAT_VERDICT(run(&script, handle).what) == PS_ACCEPT, "a fresh one is");
	asm volatile("" : "+r"(kept_b), "+r"(kept_c));
	result = run(&script, -1);
	asm volatile("" : "+r"(kept_b), "+r"(kept_c));
	check(PS_WHAT_STATUS(result.what) == PS_STATUS_POISONED && !result.fuel, "a packet that panics is told");
	check(kept_b == 0x1111 && kept_c == 0x2222, "registers survive");
	check(strstr(panic_text, "lib.rs:") != NULL, "the place is told: %s", panic_text);
	check(PS_WHAT_STATUS(run(&script, handle).what) == PS_STATUS_POISONED, "its environment is not run again");
	check(strstr(last_error(&script), "lib.rs:") != NULL, "the last error is the panic: %s",
	      script.err);
	ps_env_usage(script.region, &usage);
	check(usage.poisoned, "and whoever asks is told");
}

static int run_file(const char *path, unsigned int packets)
{
	static char text[1 << 20];
	FILE *file = fopen(path, "r");
	struct ps_result result = {};
	struct script script;
	int handle;

	if (!file) {
		perror(path);
		return 1;
	}
	if (!compile(&script, path, text, fread(text, 1, sizeof(text), file)) ||
	    !make(&script, NULL, 0) || (handle = find(&script, "process_packet")) < 0) {
		fprintf(stderr, "%s\n", script.err);
		return 1;
	}
	while (packets--)
		result = run(&script, handle);
	printf("status %u verdict %u fuel %llu\n", PS_WHAT_STATUS(result.what),
	       PS_WHAT_VERDICT(result.what), (unsigned long long)result.fuel);
	if (PS_WHAT_STATUS(result.what))
		printf("%s\n", last_error(&script));
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		return run_file(argv[1], argc > 2 ? atoi(argv[2]) : 1);
	check_loading();
	check_timers();
	check_stores();
	check_verdicts();
	check_errors();
	check_breathing();
	check_panics();
	printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}
