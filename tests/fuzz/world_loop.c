/*
 * Time, memory, the thread and the event loop. The loop does what libevent's does with level-triggered epoll: what is ready is
 * gathered first, then called; an event that one of the callbacks removes is called no more.
 *
 * Only when nothing is ready does time pass or the next step of the input come: that is where the fuzzer holds the reins.
 */
#include "tests/fuzz/world.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <malloc.h>
#include <sanitizer/asan_interface.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/world_calls.h"

/* A turn in which nothing happened, of which there may be a few (a timer that came early), but not many. */
enum { IDLE_TURNS_MOST = 64, TIMERS_MOST = 64 };
enum { LARGE_LEAST = 64 * 1024, LARGE_UNIT = 4 * 1024, LARGE_MOST = 8 };

struct event_base {
	struct event *timers[TIMERS_MOST];
	unsigned timer_count;
};

static struct event_base the_base;
static struct event *ready[2 * WORLD_FILES + TIMERS_MOST];
static unsigned ready_count;
static struct {
	void *block;
	size_t size;
	bool is_taken;
} large[LARGE_MOST];
static void *(*thread_run)(void *);
static void *thread_context;

/* ---- time, chance, memory, threads ---------------------------------------------------------------------------- */

int world_clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t at_us = world.now_us + (clock == CLOCK_REALTIME ? UINT64_C(1700000000) * 1000000 : 0);

	*now = (struct timespec){ .tv_sec = (time_t)(at_us / 1000000), .tv_nsec = (long)(at_us % 1000000 * 1000) };
	return 0;
}

ssize_t world_getrandom(void *to, size_t size, unsigned flags)
{
	(void)flags;
	memset(to, 0x5a, size);
	return (ssize_t)size;
}

bool world_may_allocate(void)
{
	if (world.fail_after == 0 || --world.fail_after > 0)
		return true;
	errno = ENOMEM;
	return false;
}

/*
 * A worker's few large blocks are the same for each run. From AddressSanitizer's allocator they would come from the kernel
 * each time, which takes longer than the rest of the run: they are kept, poisoned while nobody has them. No leak is seen in
 * them but by world_large_blocks().
 */
static bool is_large(size_t size)
{
	return size >= LARGE_LEAST && size % LARGE_UNIT == 0;
}

static void *take_large(size_t size)
{
	for (int i = 0; i < LARGE_MOST; i++) {
		if (large[i].block == NULL) {
			large[i].block = malloc(size);
			large[i].size = size;
		} else if (large[i].is_taken || large[i].size != size) {
			continue;
		}
		if (large[i].block != NULL) {
			ASAN_UNPOISON_MEMORY_REGION(large[i].block, size);
			large[i].is_taken = true;
		}
		return large[i].block;
	}
	return malloc(size);
}

void world_free(void *block)
{
	for (int i = 0; block != NULL && i < LARGE_MOST; i++) {
		if (large[i].block != block)
			continue;
		CHECK(large[i].is_taken);
		large[i].is_taken = false;
		ASAN_POISON_MEMORY_REGION(block, large[i].size);
		return;
	}
	free(block);
}

unsigned world_large_blocks(void)
{
	unsigned count = 0;

	for (int i = 0; i < LARGE_MOST; i++)
		count += large[i].is_taken;
	return count;
}

static void *take(size_t size)
{
	if (!world_may_allocate())
		return NULL;
	return is_large(size) ? take_large(size) : malloc(size);
}

void *world_malloc(size_t size)
{
	return take(size);
}

void *world_calloc(size_t count, size_t size)
{
	return world_may_allocate() ? calloc(count, size) : NULL;
}

void *world_realloc(void *old, size_t size)
{
	void *grown;

	if (old != NULL && !is_large(size) && !is_large(malloc_usable_size(old)))
		return world_may_allocate() ? realloc(old, size) : NULL;
	grown = take(size);
	if (grown != NULL && old != NULL) {
		size_t kept = malloc_usable_size(old);

		memcpy(grown, old, kept < size ? kept : size);
		world_free(old);
	}
	return grown;
}

int world_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *run(void *), void *context)
{
	(void)attributes;
	*thread = 0;
	thread_run = run;
	thread_context = context;
	return 0;
}

int world_pthread_join(pthread_t thread, void **result)
{
	(void)thread, (void)result;
	return 0;
}

int world_pthread_sigmask(int how, const sigset_t *set, sigset_t *old)
{
	(void)how, (void)set, (void)old;
	return 0;
}

void world_run_thread(void)
{
	thread_run(thread_context);
}

/* ---- events --------------------------------------------------------------------------------------------------- */

struct event_config *world_event_config_new(void)
{
	return (struct event_config *)&the_base;
}

int world_event_config_set_flag(struct event_config *config, int flag)
{
	(void)config, (void)flag;
	return 0;
}

void world_event_config_free(struct event_config *config)
{
	(void)config;
}

struct event_base *world_event_base_new_with_config(const struct event_config *config)
{
	(void)config;
	the_base.timer_count = 0;
	ready_count = 0;
	return &the_base;
}

void world_event_base_free(struct event_base *base)
{
	CHECK(base->timer_count == 0);
}

int world_event_assign(struct event *event, struct event_base *base, evutil_socket_t fd, short what, event_callback_fn callback,
                       void *context)
{
	memset(event, 0, sizeof *event);
	event->ev_base = base;
	event->ev_fd = fd;
	event->ev_events = what;
	event->ev_evcallback.evcb_cb_union.evcb_callback = callback;
	event->ev_evcallback.evcb_arg = context;
	return 0;
}

static uint64_t due_us(const struct event *event)
{
	return (uint64_t)event->ev_timeout.tv_sec * 1000000 + (uint64_t)event->ev_timeout.tv_usec;
}

static bool remove_timer(struct event *event)
{
	for (unsigned i = 0; i < the_base.timer_count; i++) {
		if (the_base.timers[i] != event)
			continue;
		the_base.timers[i] = the_base.timers[--the_base.timer_count];
		return true;
	}
	return false;
}

int world_event_add(struct event *event, const struct timeval *wait)
{
	struct event **place;

	CHECK(event->ev_base == &the_base);
	if (wait != NULL) {
		uint64_t at_us = world.now_us + (uint64_t)wait->tv_sec * 1000000 + (uint64_t)wait->tv_usec;

		CHECK(event->ev_fd < 0);
		remove_timer(event);
		CHECK(the_base.timer_count < TIMERS_MOST);
		event->ev_timeout = (struct timeval){ (time_t)(at_us / 1000000), (suseconds_t)(at_us % 1000000) };
		the_base.timers[the_base.timer_count++] = event;
		return 0;
	}
	if (!world_may_allocate())
		return -1;
	place = event->ev_events & EV_READ ? world_reader(event->ev_fd) : world_writer(event->ev_fd);
	CHECK(*place == NULL || *place == event);
	*place = event;
	return 0;
}

int world_event_del(struct event *event)
{
	for (unsigned i = 0; i < ready_count; i++)
		if (ready[i] == event)
			ready[i] = NULL;
	event->ev_evcallback.evcb_flags = 0;
	if (event->ev_fd < 0) {
		remove_timer(event);
		return 0;
	}
	if (event->ev_events & EV_READ && *world_reader(event->ev_fd) == event)
		*world_reader(event->ev_fd) = NULL;
	if (event->ev_events & EV_WRITE && *world_writer(event->ev_fd) == event)
		*world_writer(event->ev_fd) = NULL;
	return 0;
}

/* ---- the loop ------------------------------------------------------------------------------------------------- */

uint64_t world_next_timer_us(void)
{
	uint64_t next_us = UINT64_MAX;

	for (unsigned i = 0; i < the_base.timer_count; i++)
		if (due_us(the_base.timers[i]) < next_us)
			next_us = due_us(the_base.timers[i]);
	return next_us;
}

static void gather(void)
{
	ready_count = world_ready_events(ready);
	for (unsigned i = 0; i < the_base.timer_count; i++)
		if (due_us(the_base.timers[i]) <= world.now_us)
			ready[ready_count++] = the_base.timers[i];
	for (unsigned i = 0; i < ready_count; i++)
		ready[i]->ev_evcallback.evcb_flags = EVLIST_ACTIVE;
}

static void call_ready(void)
{
	unsigned count = ready_count, first = world.rotation % count;

	for (unsigned i = 0; i < count; i++) {
		struct event *event = ready[(first + i) % count];

		if (event == NULL)
			continue;
		event->ev_evcallback.evcb_flags = 0;
		if (event->ev_fd < 0)
			remove_timer(event);
		event->ev_evcallback.evcb_cb_union.evcb_callback(event->ev_fd, event->ev_fd < 0 ? EV_TIMEOUT : event->ev_events,
		                                                 event->ev_evcallback.evcb_arg);
	}
	ready_count = 0;
}

int world_event_base_loop(struct event_base *base, int flags)
{
	static uint64_t progress;

	CHECK(base == &the_base);
	world.idle_turns = world.progress == progress ? world.idle_turns + 1 : 0;
	progress = world.progress;
	CHECK(world.idle_turns < IDLE_TURNS_MOST); /* it spins */
	for (;;) {
		gather();
		if (ready_count > 0) {
			call_ready();
			return 0;
		}
		if (flags & EVLOOP_NONBLOCK)
			return 0;
		if (world.now_us < world.until_us) {
			uint64_t next_us = world_next_timer_us();

			world.now_us = next_us < world.until_us ? next_us : world.until_us;
			world.progress++;
		} else if (!stage_next()) {
			return 0;
		}
	}
}
