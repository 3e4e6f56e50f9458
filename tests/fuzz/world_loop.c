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
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "gateway/base/sanitizer.h"
#include "tests/fuzz/check.h"
#include "tests/fuzz/world_calls.h"

/* A compiler's package may come without its sanitizers, and so without this header. */
#if HAS_ADDRESS_SANITIZER
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

/* A turn in which nothing happened, of which there may be a few (a timer that came early), but not many. */
enum { IDLE_TURNS_MOST = 64, TIMERS_MOST = 64 };
enum { LARGE_LEAST = 64 * 1024, LARGE_UNIT = 4 * 1024, LARGE_MOST = 8, ZEROED_LEAST = 1024 * 1024, ZEROED_MOST = 4 };

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
static struct {
	void *(*run)(void *);
	void *context;
} threads[2]; /* the worker's, and the one that checks passwords */
static unsigned thread_count;
static jmp_buf helper_waits;
static bool helper_has_work;
/* Of large blocks that must be zero: the kernel's pages, which cost nothing as long as nobody touches them. */
static struct {
	void *block;
	size_t size;
	bool is_taken;
} zeroed[ZEROED_MOST];

/* ---- time, chance, memory, threads ---------------------------------------------------------------------------- */

int world_clock_gettime(clockid_t clock, struct timespec *now)
{
	uint64_t at_us = world.now_us + (clock == CLOCK_REALTIME ? WORLD_WALL_S * UINT64_C(1000000) : 0);

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
	world.has_failed = true;
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

static void *take_zeroed(size_t size)
{
	for (int i = 0; i < ZEROED_MOST; i++) {
		if (zeroed[i].is_taken || (zeroed[i].block != NULL && zeroed[i].size != size))
			continue;
		if (zeroed[i].block == NULL) {
			zeroed[i].block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			zeroed[i].size = size;
			CHECK(zeroed[i].block != MAP_FAILED);
		}
		zeroed[i].is_taken = true;
		return zeroed[i].block;
	}
	CHECK(false); /* more of them than the configurations want */
	return NULL;
}

static bool give_zeroed(void *block)
{
	for (int i = 0; i < ZEROED_MOST; i++) {
		if (zeroed[i].block != block)
			continue;
		CHECK(zeroed[i].is_taken && madvise(block, zeroed[i].size, MADV_DONTNEED) == 0);
		zeroed[i].is_taken = false;
		return true;
	}
	return false;
}

void world_free(void *block)
{
	if (block != NULL && give_zeroed(block))
		return;
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
	for (int i = 0; i < ZEROED_MOST; i++)
		count += zeroed[i].is_taken;
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
	if (!world_may_allocate())
		return NULL;
	return count <= SIZE_MAX / size && count * size >= ZEROED_LEAST ? take_zeroed(count * size) : calloc(count, size);
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
	CHECK(thread_count < sizeof threads / sizeof *threads);
	*thread = (pthread_t)(uintptr_t)thread_count; /* a pointer with musl */
	threads[thread_count].run = run;
	threads[thread_count++].context = context;
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

int world_pthread_cond_signal(pthread_cond_t *condition)
{
	(void)condition;
	helper_has_work = true;
	return 0;
}

/* Of the helper, which has no other place to wait: it begins anew when it is run again. */
int world_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
	(void)condition;
	pthread_mutex_unlock(mutex);
	longjmp(helper_waits, 1);
}

int world_setpriority(int which, unsigned who, int priority)
{
	(void)which, (void)who, (void)priority;
	return 0;
}

void world_run_thread(void)
{
	threads[0].run(threads[0].context);
}

bool world_run_helper(void)
{
	unsigned fail_after = world.fail_after;
	bool has_work = helper_has_work;

	world.fail_after = 0;
	helper_has_work = false;
	if (has_work && setjmp(helper_waits) == 0)
		threads[1].run(threads[1].context);
	world.fail_after = fail_after;
	return has_work;
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
	the_base.timer_count = thread_count = 0;
	helper_has_work = false;
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
