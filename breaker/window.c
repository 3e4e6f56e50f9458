/*
 * The ring:
 *
 *       slot        0     1     2     3     4   ...  127
 *                +-----+-----+-----+-----+-----+   +-----+
 *       slice    | 256 | 257 | 258 | 131 | 132 |...| 255 |     258 is filling; a window of 10 sums 249 to 258;
 *                +-----+-----+-----+-----+-----+   +-----+     131 is the past and will be overwritten by 259
 *
 * A slice's full name is the breaker's generation (as the epoch) and the slice's number, both kept in every count of
 * the slice (numbered.h). So what was counted before the breaker last closed is simply not found: no clearing, no
 * race with a thread that counts while another clears. A call that is being counted when the next generation begins
 * goes to the old one or, where the new one has taken the slot already, nowhere.
 *
 * Both are cut short, to 12 and 26 bits: what stood in a slot through 4092 generations would be taken for the future, and
 * nothing counted there. An outage can last that long, open, half-open and open again; so with every change of a breaker's
 * state what came before is taken out (window_forget_before). Slices come round after
 * 776 days of one second, or after 67 million calls; a slot's first call of a slice takes out what failed in it before.
 *
 * Only a slow call takes an old count out of `slow_failures`, so a count may be left there until its number comes round again.
 * It is then read only beside a slow call of the new slice, and decides nothing.
 *
 * A call is counted in `calls` before `failures` and `slow`, and these are read before `calls`, so a rate is never
 * above one. All of it is sequentially consistent: of two calls that reach the threshold together, the later sees both.
 *
 * A count window has no clock; `position` hands each call its place and begins at 0 with each generation. Its 48 bits
 * last nine years at a million calls a second.
 */
#include "breaker/window.h"

#include "breaker/numbered.h"

enum {
	POSITION_BITS = 48,
	POSITION_AHEAD = 256, /* generations; "a little ahead" as in numbered.h */
};

static const uint64_t POSITION_MASK = (UINT64_C(1) << POSITION_BITS) - 1;

struct span {
	uint64_t first, end; /* slices; end is not included */
};

static uint64_t slice_name(uint32_t generation, uint64_t slice)
{
	uint64_t epoch = generation & ((1u << NUMBERED_EPOCH_BITS) - 1);

	return epoch << NUMBERED_SLICE_BITS | (slice & ((1u << NUMBERED_SLICE_BITS) - 1));
}

static uint64_t generations_ahead(uint64_t position, uint32_t generation)
{
	return ((position >> POSITION_BITS) - generation) & 0xffff;
}

/* False: a later generation has begun to count, and this call is too late for any figure. */
static bool take_position(struct window *window, uint32_t generation, uint64_t *position)
{
	uint64_t seen = atomic_load_explicit(&window->position, memory_order_relaxed);
	uint64_t epoch = generation & 0xffff;
	uint64_t next;

	do {
		uint64_t ahead = generations_ahead(seen, generation);

		if (ahead > 0 && ahead <= POSITION_AHEAD && (seen & POSITION_MASK) > 0)
			return false;
		next = ahead == 0 ? seen + 1 : epoch << POSITION_BITS | 1;
	} while (!atomic_compare_exchange_weak(&window->position, &seen, next));
	*position = (next & POSITION_MASK) - 1;
	return true;
}

static struct span current_span(const struct window *window, uint32_t generation, uint64_t now)
{
	struct span span = {0, 0};

	if (window->kind == BREAKER_WINDOW_TIME) {
		span.end = now / window->per_slice + 1;
	} else {
		uint64_t position = atomic_load(&window->position);

		if (position >> POSITION_BITS != (generation & 0xffff))
			return span;
		span.end = ((position & POSITION_MASK) + window->per_slice - 1) / window->per_slice;
	}
	span.first = span.end > window->summed ? span.end - window->summed : 0;
	return span;
}

static uint64_t sum_ring(const _Atomic uint64_t *ring, struct span span, uint32_t generation)
{
	uint64_t sum = 0;

	for (uint64_t slice = span.first; slice < span.end; slice++)
		sum += numbered_count(&ring[slice % WINDOW_RING], slice_name(generation, slice));
	return sum;
}

static uint32_t at_most(uint64_t value, uint64_t limit)
{
	return (uint32_t)(value < limit ? value : limit);
}

void window_init(struct window *window, enum breaker_window kind, uint32_t size)
{
	window->kind = kind;
	if (size == 0)
		size = 1;
	if (kind == BREAKER_WINDOW_TIME) {
		window->per_slice = ((uint64_t)size + WINDOW_TIME_SLICES - 1) / WINDOW_TIME_SLICES;
		window->summed = WINDOW_TIME_SLICES;
	} else {
		/* One filling slice holds at least one call; the full ones before it must hold the other size - 1. */
		window->per_slice = ((uint64_t)size + WINDOW_COUNT_SLICES - 1) / WINDOW_COUNT_SLICES;
		window->summed = (uint32_t)((size - 1 + window->per_slice - 1) / window->per_slice + 1);
	}
	for (int slot = 0; slot < WINDOW_RING; slot++) {
		atomic_init(&window->failures[slot], 0);
		atomic_init(&window->slow[slot], 0);
		atomic_init(&window->slow_failures[slot], 0);
		atomic_init(&window->calls[slot], 0);
	}
	atomic_init(&window->position, 0);
}

/* `slow_failures` keeps what was counted there long ago until the slice's first slow call: before that nobody reads it. So a call
 * that is not slow pays nothing for it. */
static void add_slow(struct window *window, uint64_t slot, uint64_t name, bool is_failure)
{
	if (numbered_add(&window->slow[slot], name) == 1)
		numbered_forget_earlier(&window->slow_failures[slot], name);
	if (is_failure)
		numbered_add(&window->slow_failures[slot], name);
}

void window_add(struct window *window, uint32_t generation, uint64_t now, bool is_failure, bool is_slow)
{
	uint64_t slice, name, count;

	if (window->kind == BREAKER_WINDOW_TIME) {
		slice = now / window->per_slice;
	} else {
		uint64_t position;

		if (!take_position(window, generation, &position))
			return;
		slice = position / window->per_slice;
	}
	name = slice_name(generation, slice);
	count = numbered_add(&window->calls[slice % WINDOW_RING], name);
	if (count <= 1) {
		if (count == 0)
			return;
		/* Calls that failed there long ago must not reappear. */
		numbered_forget_earlier(&window->failures[slice % WINDOW_RING], name);
		numbered_forget_earlier(&window->slow[slice % WINDOW_RING], name);
	}
	if (is_failure)
		numbered_add(&window->failures[slice % WINDOW_RING], name);
	if (is_slow)
		add_slow(window, slice % WINDOW_RING, name, is_failure);
}

void window_forget_before(struct window *window, uint32_t generation)
{
	uint64_t position = atomic_load_explicit(&window->position, memory_order_relaxed);

	for (int slot = 0; slot < WINDOW_RING; slot++) {
		numbered_forget_before(&window->calls[slot], generation);
		numbered_forget_before(&window->failures[slot], generation);
		numbered_forget_before(&window->slow[slot], generation);
		numbered_forget_before(&window->slow_failures[slot], generation);
	}
	while (position != 0 && generations_ahead(position, generation) > POSITION_AHEAD &&
	       !atomic_compare_exchange_weak(&window->position, &position, 0))
		;
}

struct window_sum window_sum(const struct window *window, uint32_t generation, uint64_t now)
{
	struct span span = current_span(window, generation, now);
	uint64_t failures = sum_ring(window->failures, span, generation);
	uint64_t slow = sum_ring(window->slow, span, generation);
	uint64_t calls = sum_ring(window->calls, span, generation);

	/* The limit prevents an overflow only; the order of these reads keeps failures and slow below calls. */
	calls = at_most(calls, UINT32_MAX);
	return (struct window_sum){
		.calls = (uint32_t)calls, .failures = at_most(failures, calls), .slow = at_most(slow, calls)};
}

void window_sum_slow_failures(const struct window *window, uint32_t generation, uint64_t now, struct window_sum *sum)
{
	struct span span = current_span(window, generation, now);
	uint64_t found = 0;

	for (uint64_t slice = span.first; slice < span.end; slice++) {
		uint64_t name = slice_name(generation, slice), slot = slice % WINDOW_RING;
		uint64_t slow_failures = numbered_count(&window->slow_failures[slot], name);

		found += at_most(slow_failures, numbered_count(&window->slow[slot], name));
	}
	sum->slow_failures = at_most(found, sum->failures < sum->slow ? sum->failures : sum->slow);
}
