/* A breaker under a scripted clock, and what it reported. For the tests of its life. */
#ifndef TESTS_UNIT_BREAKER_WORLD_H
#define TESTS_UNIT_BREAKER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "breaker/breaker.h"
#include "breaker/jitter.h"
#include "breaker/look.h"
#include "breaker/names.h"
#include "tests/unit/breaker_usual.h"

/* The middle of the jitter's range: times are what the settings say. */
static const uint64_t BIRTH = 1000000;

/* The script's world: one breaker, its clock, and what it reported. */
static struct {
	struct breaker_settings settings;
	struct breaker *breaker;
	uint64_t now_ms;
	uint64_t retry_after_ms;
	int transitions;
	struct breaker_transition last;
} world;

static inline void on_transition(void *context, const struct breaker_transition *transition)
{
	assert_ptr_equal(context, &world);
	world.transitions++;
	world.last = *transition;
}

static inline void begin(enum breaker_window window, uint32_t size)
{
	breaker_free(world.breaker);
	memset(&world, 0, sizeof(world));
	world.settings = (struct breaker_settings){
		BREAKER_USUAL,
		.window = window,
		.window_size = size,
		.minimum_calls = 20,
	};
	world.now_ms = BIRTH;
	world.breaker = breaker_new(&world.settings, world.now_ms, on_transition, &world);
	assert_non_null(world.breaker);
}

static inline int teardown(void **state)
{
	(void)state;
	breaker_free(world.breaker);
	world.breaker = NULL;
	return 0;
}

static inline bool admit(struct breaker_permit *permit)
{
	world.retry_after_ms = 0;
	return breaker_admit(world.breaker, &world.settings, world.now_ms, JITTER_NONE, permit, &world.retry_after_ms);
}

static inline struct breaker_permit admitted(void)
{
	struct breaker_permit permit = {0};

	assert_true(admit(&permit));
	return permit;
}

static inline void rejected(void)
{
	struct breaker_permit permit = {.kind = 77};

	assert_false(admit(&permit));
	assert_int_equal(permit.kind, 0);
	assert_true(world.retry_after_ms > 0);
}

static inline void settle_after(struct breaker_permit permit, enum breaker_verdict verdict, uint64_t duration_ms)
{
	breaker_settle(world.breaker, &world.settings, world.now_ms, JITTER_NONE, &permit, verdict, duration_ms);
	assert_int_equal(permit.kind, 0);
}

static inline void settle(struct breaker_permit permit, enum breaker_verdict verdict)
{
	settle_after(permit, verdict, 1);
}

static inline void calls(int count, enum breaker_verdict verdict)
{
	for (int i = 0; i < count; i++)
		settle(admitted(), verdict);
}

static inline struct breaker_view look(void)
{
	return breaker_look(world.breaker, &world.settings, world.now_ms);
}

static inline void expect_state(enum breaker_state state)
{
	assert_string_equal(breaker_state_name(look().state), breaker_state_name(state));
}

static inline void expect_last(enum breaker_state from, enum breaker_state to, enum breaker_reason reason)
{
	assert_int_equal(world.last.from, from);
	assert_int_equal(world.last.to, to);
	assert_string_equal(breaker_reason_text(world.last.reason), breaker_reason_text(reason));
	assert_int_equal(world.last.at_ms, world.now_ms);
	assert_int_equal(world.last.generation, world.transitions);
	assert_int_equal(look().generation, world.transitions);
}

static inline void to_open(void)
{
	calls(20, BREAKER_FAILURE);
	expect_last(BREAKER_CLOSED, BREAKER_OPEN, BREAKER_REASON_FAILURE_RATE);
}

/* The permits of all five probes. */
static inline void to_half_open(struct breaker_permit permits[5])
{
	to_open();
	world.now_ms += world.last.open_for_ms;
	for (int i = 0; i < 5; i++)
		permits[i] = admitted();
	assert_int_equal(world.last.to, BREAKER_HALF_OPEN);
}

#endif
