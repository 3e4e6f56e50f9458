/*
 * Chooses among endpoints that other threads use and eject at the same time.
 *
 * Nearly always no endpoint is ejected and none was tried before: two picks, two loads, done. Only if a pick may not serve
 * does the function walk over the endpoints: which are ejected, which return because too many are, which were tried, which
 * are silent. The walk allocates nothing, so it goes over the set more than once. An endpoint that changes in between can
 * make a walk see fewer than the one before, and each step then still returns an endpoint.
 *
 * When more than max_share are ejected, the endpoints whose ejection ends first return. That is the order in which the
 * ejections began, except for endpoints that were ejected repeatedly: they wait longer. A binary search over the ends finds
 * the moment up to which all return: some 20 walks however many endpoints there are, where sorting would need memory.
 */
#include "routes/balance.h"

/* Ejected endpoints that serve all the same: those whose ejection ends before `until_ms`, and the first `ties` of those that
 * end just then. */
struct returning {
	uint64_t until_ms;
	size_t ties;
};

struct choosing {
	const struct endpoint_set *set;
	const struct ejection_settings *ejection;
	uint64_t now_ms;
	uint32_t slow_start_ms;
	struct returning returning;
	uint64_t silence_ms;               /* an endpoint that has been silent for longer is passed over */
	const struct balance_avoid *avoid; /* NULL = none */
};

/* A new endpoint begins with a tenth of its share, so that it gets requests at once even when there are few. And how often to
 * pick again when only new ones were picked. */
enum { SLOW_START_LEAST = 10, SLOW_START_PICKS = 4 };

/* A worker sends many requests in one loop iteration before it reads the next answers. */
enum { SILENCE_LEAST_MS = 4 };

static uint64_t ejection_ends(const struct endpoint *endpoint)
{
	return atomic_load_explicit(&endpoint->ejection.until_ms, memory_order_relaxed);
}

static bool is_ejected(const struct choosing *choosing, const struct endpoint *endpoint)
{
	return choosing->ejection->enabled && ejection_is_ejected(&endpoint->ejection, choosing->now_ms);
}

/* How long it has been silent: it has not answered one of so many requests that it would be ejected if all of them failed, as
 * some may have by now. 0: it is not silent. */
static uint64_t silence_ms(const struct choosing *choosing, const struct endpoint *endpoint)
{
	uint32_t limit = choosing->ejection->consecutive_failures;
	uint32_t in_flight = atomic_load_explicit(&endpoint->in_flight, memory_order_relaxed);
	uint64_t answered, heard_ms;

	if (in_flight == 0 || !choosing->ejection->enabled ||
	    in_flight + atomic_load_explicit(&endpoint->ejection.failures, memory_order_relaxed) < limit)
		return 0;
	answered = atomic_load_explicit(&endpoint->answered, memory_order_relaxed);
	if ((int64_t)(atomic_load_explicit(&endpoint->requests_total, memory_order_relaxed) - answered) < (int64_t)limit)
		return 0;
	heard_ms = atomic_load_explicit(&endpoint->heard_ms, memory_order_relaxed);
	return choosing->now_ms >= heard_ms + SILENCE_LEAST_MS ? choosing->now_ms - heard_ms : 0;
}

bool balance_was_tried(const struct balance_avoid *avoid, const struct endpoint *endpoint)
{
	if (avoid == NULL)
		return false;
	for (unsigned i = 0; i < avoid->count && i < BALANCE_AVOID_MAX; i++)
		if (avoid->tried[i] == endpoint)
			return true;
	return false;
}

bool balance_has_untried(const struct endpoint_set *set, const struct balance_avoid *avoid)
{
	for (size_t i = 0; set != NULL && avoid->count < BALANCE_AVOID_MAX && i < set->count; i++)
		if (!balance_was_tried(avoid, set->endpoints[i]))
			return true;
	return false;
}

/* ---- who returns ---------------------------------------------------------------------------------------------- */

struct census {
	size_t ejected;
	uint64_t first_end, last_end;
};

static struct census count_ejected(const struct choosing *choosing)
{
	struct census census = {.first_end = UINT64_MAX};

	for (size_t i = 0; i < choosing->set->count; i++) {
		uint64_t end = ejection_ends(choosing->set->endpoints[i]);

		if (!choosing->ejection->enabled || end <= choosing->now_ms)
			continue;
		census.ejected++;
		census.first_end = end < census.first_end ? end : census.first_end;
		census.last_end = end > census.last_end ? end : census.last_end;
	}
	return census;
}

static size_t count_ending_before(const struct choosing *choosing, uint64_t end)
{
	size_t count = 0;

	for (size_t i = 0; i < choosing->set->count; i++) {
		uint64_t this_end = ejection_ends(choosing->set->endpoints[i]);

		count += this_end > choosing->now_ms && this_end < end;
	}
	return count;
}

static size_t count_may_eject(const struct choosing *choosing)
{
	size_t count = choosing->set->count;

	return choosing->ejection->max_share_bp < 10000
	               ? (size_t)((uint64_t)count * choosing->ejection->max_share_bp / 10000)
	               : count - 1;
}

static struct returning find_returning(const struct choosing *choosing)
{
	struct census census = count_ejected(choosing);
	size_t may_be_ejected = count_may_eject(choosing), wanted, before;
	uint64_t low = census.first_end, high = census.last_end;

	if (census.ejected <= may_be_ejected)
		return (struct returning){0};
	wanted = census.ejected - may_be_ejected;
	/* The latest moment with fewer than `wanted` before it. */
	while (low < high) {
		uint64_t middle = low + (high - low + 1) / 2;

		if (count_ending_before(choosing, middle) < wanted)
			low = middle;
		else
			high = middle - 1;
	}
	before = count_ending_before(choosing, low);
	return (struct returning){.until_ms = low, .ties = wanted > before ? wanted - before : 0};
}

/* ---- walking -------------------------------------------------------------------------------------------------- */

/* The candidate number `wanted`, or NULL if there are fewer; *count, unless NULL, is how many there are. */
static struct endpoint *walk(const struct choosing *choosing, size_t wanted, size_t *count)
{
	size_t seen = 0, ties = 0;

	for (size_t i = 0; i < choosing->set->count; i++) {
		struct endpoint *endpoint = choosing->set->endpoints[i];

		if (is_ejected(choosing, endpoint)) {
			uint64_t end = ejection_ends(endpoint);

			if (end > choosing->returning.until_ms)
				continue;
			if (end == choosing->returning.until_ms && ties++ >= choosing->returning.ties)
				continue;
		}
		if (balance_was_tried(choosing->avoid, endpoint) || silence_ms(choosing, endpoint) > choosing->silence_ms)
			continue;
		if (seen++ == wanted)
			return endpoint;
	}
	if (count != NULL)
		*count = seen;
	return NULL;
}

/* Chooses the shortest silence that leaves enough endpoints: silence takes no more of them out of use than ejection may.
 * Otherwise a client with slow requests could leave a single endpoint in use. An endpoint that is delayed for a moment is
 * better than one that hangs. */
static void choose_silence(struct choosing *choosing)
{
	static const uint64_t silences_ms[] = {0, 250, 1000, 4000, UINT64_MAX};
	size_t wanted = choosing->set->count - count_may_eject(choosing), count = 0;

	for (size_t i = 0; i < sizeof(silences_ms) / sizeof(silences_ms[0]) && count < wanted; i++) {
		choosing->silence_ms = silences_ms[i];
		walk(choosing, SIZE_MAX, &count);
	}
}

/* Prefers, in this order: endpoints that serve and were not tried; silent ones; ejected ones, which may be healthy again; and
 * tried ones rather than none. */
static size_t count_candidates(struct choosing *choosing)
{
	const struct balance_avoid *avoid = choosing->avoid;
	struct returning returning = choosing->returning;
	size_t count = 0;
	uint64_t silence_ms;

	choosing->avoid = NULL;
	choose_silence(choosing);
	silence_ms = choosing->silence_ms;
	choosing->avoid = avoid;
	walk(choosing, SIZE_MAX, &count);
	if (count == 0) {
		choosing->silence_ms = UINT64_MAX;
		walk(choosing, SIZE_MAX, &count);
	}
	if (count == 0) {
		choosing->returning = (struct returning){.until_ms = UINT64_MAX};
		walk(choosing, SIZE_MAX, &count);
	}
	if (count == 0) {
		choosing->returning = returning;
		choosing->silence_ms = silence_ms;
		choosing->avoid = NULL;
		walk(choosing, SIZE_MAX, &count);
	}
	return count;
}

/* ---- choosing ------------------------------------------------------------------------------------------------- */

/* Two different numbers below `count`, which is at least 2; all pairs are equally likely. */
static void two_of(size_t count, uint64_t random, size_t *first, size_t *second)
{
	*first = (size_t)((random & UINT32_MAX) * count >> 32);
	*second = (size_t)((random >> 32) * (count - 1) >> 32);
	if (*second >= *first)
		++*second;
}

/* Another number from the same one, because the bits that the first picks left over are not uniform. (The end of
 * splitmix64.) */
static uint64_t stir(uint64_t random)
{
	random += 0x9e3779b97f4a7c15;
	random = (random ^ (random >> 30)) * 0xbf58476d1ce4e5b9;
	random = (random ^ (random >> 27)) * 0x94d049bb133111eb;
	return random ^ (random >> 31);
}

static struct endpoint *less_busy(struct endpoint *a, struct endpoint *b)
{
	return atomic_load_explicit(&b->in_flight, memory_order_relaxed) <
	                       atomic_load_explicit(&a->in_flight, memory_order_relaxed)
	               ? b
	               : a;
}

/* An endpoint that joined lately sits out most choices at first, and fewer as it warms up. (With no requests in flight it
 * would win every comparison.) */
static bool sits_out(const struct choosing *choosing, const struct endpoint *endpoint, uint64_t random)
{
	uint64_t joined_ms = atomic_load_explicit(&endpoint->joined_ms, memory_order_relaxed);
	/* A worker's loop iteration may have begun before another thread let the endpoint join. */
	uint64_t age_ms = choosing->now_ms > joined_ms ? choosing->now_ms - joined_ms : 0;
	uint64_t least_ms = choosing->slow_start_ms / SLOW_START_LEAST;

	if (joined_ms == 0 || age_ms >= choosing->slow_start_ms)
		return false;
	random = stir(random ^ endpoint->index);
	return (random >> 32) * choosing->slow_start_ms >> 32 >= (age_ms > least_ms ? age_ms : least_ms);
}

/* NULL when both sit out. */
static struct endpoint *better(const struct choosing *choosing, struct endpoint *a, struct endpoint *b, uint64_t random)
{
	bool a_sits_out = sits_out(choosing, a, random), b_sits_out = sits_out(choosing, b, random);

	if (a_sits_out || b_sits_out)
		return !a_sits_out ? a : !b_sits_out ? b : NULL;
	return less_busy(a, b);
}

/* Numbers that meet the same position of the set choose another candidate each round, so that no endpoint gets the share of
 * its ejected neighbour on top of its own. An endpoint that sits out leaves its turn to any other. NULL: one was ejected
 * while we looked. */
static struct endpoint *whose_turn(const struct choosing *choosing, size_t candidates, uint64_t random, unsigned turn)
{
	size_t count = choosing->set->count, at = (turn / count + turn % count) % candidates;
	struct endpoint *endpoint = walk(choosing, at, NULL);

	for (int pick = 1; pick < SLOW_START_PICKS && candidates > 1 && endpoint != NULL && sits_out(choosing, endpoint, random);
	     pick++) {
		random = stir(random);
		at = (at + 1 + random % (candidates - 1)) % candidates;
		endpoint = walk(choosing, at, NULL);
	}
	return endpoint;
}

static struct endpoint *choose_slowly(struct choosing *choosing, enum balance balance, uint64_t random, unsigned turn)
{
	struct endpoint *a, *b;
	size_t candidates, first, second;

	choosing->returning = find_returning(choosing);
	candidates = count_candidates(choosing);
	if (candidates == 0) /* ejected while we looked; the set is not empty. NOLINTNEXTLINE(clang-analyzer-core.DivideZero) */
		return choosing->set->endpoints[random % choosing->set->count];
	if (balance == BALANCE_ROUND_ROBIN) {
		a = whose_turn(choosing, candidates, random, turn);
		b = NULL;
	} else if (candidates == 1) {
		a = walk(choosing, 0, NULL);
		b = NULL;
	} else {
		two_of(candidates, random, &first, &second);
		a = walk(choosing, first, NULL);
		b = walk(choosing, second, NULL);
	}
	if (a != NULL && b != NULL) {
		struct endpoint *chosen = better(choosing, a, b, random);

		return chosen != NULL ? chosen : less_busy(a, b);
	}
	if (a == NULL)
		a = b;
	/* NOLINTNEXTLINE(clang-analyzer-core.DivideZero): the same */
	return a != NULL ? a : choosing->set->endpoints[random % choosing->set->count];
}

static bool may_serve(const struct choosing *choosing, const struct endpoint *endpoint)
{
	return !is_ejected(choosing, endpoint) && !balance_was_tried(choosing->avoid, endpoint) && silence_ms(choosing, endpoint) == 0;
}

struct endpoint *balance_choose(const struct endpoint_set *set, const struct upstream_settings *settings, uint64_t now_ms,
                                uint64_t random, unsigned *turn, const struct balance_avoid *avoid)
{
	struct choosing choosing = {.set = set, .ejection = &settings->ejection, .now_ms = now_ms,
		                    .slow_start_ms = settings->slow_start_ms, .avoid = avoid};
	size_t first = 0, second = 0;
	unsigned this_turn = 0;

	if (set == NULL || set->count == 0)
		return NULL;
	if (set->count == 1)
		return set->endpoints[0];
	for (int pick = 0; pick < SLOW_START_PICKS; pick++, random = stir(random)) {
		struct endpoint *a, *b;

		if (settings->balance == BALANCE_ROUND_ROBIN)
			first = second = (this_turn = (*turn)++) % set->count;
		else
			two_of(set->count, random, &first, &second);
		a = set->endpoints[first];
		b = set->endpoints[second];
		if (!may_serve(&choosing, a) || !may_serve(&choosing, b))
			return choose_slowly(&choosing, settings->balance, stir(random), this_turn);
		a = better(&choosing, a, b, random);
		if (a != NULL)
			return a;
	}
	return set->endpoints[first];
}

bool balance_is_passed_over(const struct endpoint_set *set, const struct ejection_settings *ejection, uint64_t now_ms,
                            const struct endpoint *endpoint)
{
	struct choosing choosing = {.set = set, .ejection = ejection, .now_ms = now_ms};

	return set != NULL && is_ejected(&choosing, endpoint) && ejection_ends(endpoint) > find_returning(&choosing).until_ms;
}
