/*
 * Places in a bulkhead, and among the streams of an upstream.
 *
 * An exchange that holds a place while the gateway waits for its client, to read the response or to send the request, is on
 * the list worker->blocked. While requests wait for a place, the gateway ends the exchange whose client moves the fewest
 * bytes a second: at once if that is next to nothing, and at any pace before it would refuse a request. A search looks at a
 * part of the list and the next search continues there, so its cost does not grow with the number of slow clients. A worker
 * that finds none asks the other workers.
 */
#include "gateway/exchange/places.h"

#include "gateway/base/container.h"
#include "gateway/worker/upstreams.h"

/* Of worker->blocked and worker->streams: how many entries one search compares, and how many it passes. */
enum { COMPARE_MOST = 32, PASS_MOST = 1024 };
/* The gateway never waits so long for a client that reads everything, unless the client's network is slow. */
enum { BLOCKED_LEAST_MS = 50 };
/* An upload that is slower than this ends if its endpoint answers no request. */
enum { UPLOAD_BYTES_PER_S = 64 * 1024 };

static struct exchange *exchange_of_ring(struct ring *ring)
{
	return container_of(ring, struct exchange, admission.held);
}

/* Moves the first to the end: the next search begins after it. */
static struct exchange *rotate(struct ring *ring)
{
	struct ring *first = ring->next;

	ring_remove(first);
	ring_append(ring, first);
	return exchange_of_ring(first);
}

/* ---- given back ------------------------------------------------------------------------------------------------ */

void places_give_back(struct exchange *exchange)
{
	if (exchange->admission.holds_place || exchange->admission.holds_stream)
		exchange_release_ring(exchange);
	if (exchange->admission.holds_place)
		upstreams_leave(exchange->worker, exchange_upstream(exchange)->upstream);
	if (exchange->admission.holds_stream)
		bulkhead_leave(&exchange_upstream(exchange)->upstream->streams);
	exchange->admission.holds_place = exchange->admission.holds_stream = false;
}

/* ---- those who hold a place while their client is waited for -------------------------------------------------- */

static uint64_t pace(uint64_t bytes, uint64_t ms)
{
	return bytes * 1000 / (ms == 0 ? 1 : ms);
}

/* How many bytes a second its client reads of the pending ones, or has sent of its request since the gateway reads it: while the
 * upstream does not take more, the client is not read. */
static uint64_t pace_of(const struct exchange *exchange, uint64_t now_ms)
{
	const struct downstream *client = exchange->downstream;
	const struct exchange_admission *admission = &exchange->admission;

	if (client->is_blocked)
		return pace(client->operations->taken(client) - exchange->download.took, now_ms - admission->held_since_ms);
	return pace(exchange->upload.bytes - admission->awaited_from, now_ms - admission->awaited_since_ms);
}

/* An upload that trickles blocks its place all the time, though a byte has just come. */
static uint64_t blocks_since_ms(const struct exchange *exchange, uint64_t pace_now)
{
	return exchange->downstream->is_blocked || pace_now >= SLOW_BYTES_PER_S ? exchange->admission.held_since_ms
	                                                                    : exchange->admission.awaited_since_ms;
}

/* Its client does not read a 1xx, but the upstream still works on the request: to end it frees no place. If more has come from
 * the upstream, or its time is over, only the client keeps the gateway from giving the place back. */
static bool upstream_still_works(const struct exchange *exchange, uint64_t now_ms)
{
	const struct lease *lease = exchange->attempt.lease;

	return exchange->state == EXCHANGE_AWAITING && exchange->upload.is_whole && !lease->operations->holds(lease, 1) &&
	       now_ms < exchange->timeline.sent_us / 1000 + exchange_upstream(exchange)->response_timeout_ms;
}

static struct exchange *find_most_blocked(struct worker *worker, const struct upstream *upstream, bool is_last_resort)
{
	uint64_t now_ms = worker_now_ms(worker), least = UINT64_MAX;
	struct ring *last = worker->blocked.previous;
	struct exchange *found = NULL;
	unsigned passed = 0, compared = 0;
	bool is_over = ring_is_empty(&worker->blocked);

	while (!is_over && passed++ < PASS_MOST && compared < COMPARE_MOST) {
		struct exchange *exchange = rotate(&worker->blocked);
		uint64_t pace_now;

		is_over = &exchange->admission.held == last;
		if (exchange_upstream(exchange)->upstream != upstream || upstream_still_works(exchange, now_ms))
			continue;
		pace_now = pace_of(exchange, now_ms);
		if (now_ms - blocks_since_ms(exchange, pace_now) < BLOCKED_LEAST_MS)
			continue;
		compared++;
		if (pace_now < least && (pace_now < SLOW_BYTES_PER_S || is_last_resort)) {
			least = pace_now;
			found = exchange;
		}
	}
	return found;
}

/* All bytes that its client has not read yet are in this machine: the service is done with it. */
static bool is_sent_whole(const struct exchange *exchange)
{
	const struct exchange_download *download = &exchange->download;
	const struct lease *lease = exchange->attempt.lease;

	return exchange->state == EXCHANGE_STREAMING && download->framing.kind == BODY_LENGTH &&
	       lease->operations->holds(lease, download->framing.length - download->bytes);
}

static bool free_place(struct worker *worker, const struct upstream *upstream, bool is_last_resort)
{
	struct exchange *exchange = find_most_blocked(worker, upstream, is_last_resort);

	if (exchange == NULL)
		return false;
	if (is_sent_whole(exchange))
		places_give_back(exchange);
	else
		worker->upcalls->shed(exchange, SHED_SLOW);
	return true;
}

/* The requests of one upstream make all workers search at most once in PLACES_LOOK_AGAIN_MS. */
static void ask_others(struct worker *worker, struct upstream *upstream, enum shed_wish wish)
{
	uint64_t now_ms = worker_now_ms(worker),
	                  asked_ms = atomic_load_explicit(&upstream->shed_asked_ms, memory_order_relaxed);

	if (worker->shared->worker_count < 2 || now_ms < asked_ms + PLACES_LOOK_AGAIN_MS ||
	    !atomic_compare_exchange_strong(&upstream->shed_asked_ms, &asked_ms, now_ms))
		return;
	for (unsigned i = 0; i < worker->shared->worker_count; i++)
		if (i != worker->index &&
		    !inbox_send(&worker->shared->workers[i].inbox, WORKER_SHED, upstream_reference(upstream),
		                                      (void *)(uintptr_t)wish))
			upstream_release(upstream);
}

bool places_make_room(struct worker *worker, struct upstream *upstream, bool is_last_resort)
{
	struct local_upstream *local = worker_local(worker, upstream);
	uint64_t now_ms = worker_now_ms(worker);

	if (!is_last_resort && local->places_looked_ms + PLACES_LOOK_AGAIN_MS > now_ms)
		return false;
	if (free_place(worker, upstream, is_last_resort))
		return true;
	local->places_looked_ms = now_ms;
	ask_others(worker, upstream, is_last_resort ? SHED_WISH_ANY_PLACE : SHED_WISH_PLACE);
	return false;
}

/* ---- those who send their request slowly while others wait for a response ------------------------------------- */

/* So many complete requests are unanswered, and the endpoint has answered none for a while. */
static bool is_silent(const struct endpoint *endpoint, const struct upstream_settings *settings, uint32_t unanswered,
                      uint64_t now_ms)
{
	uint64_t requests = atomic_load_explicit(&endpoint->requests_total, memory_order_relaxed);
	uint64_t answered = atomic_load_explicit(&endpoint->answered, memory_order_relaxed);
	uint64_t heard_ms = atomic_load_explicit(&endpoint->heard_ms, memory_order_relaxed);

	return (int64_t)(requests - answered) >= (int64_t)unanswered && now_ms >= heard_ms + settings->connect_timeout_ms;
}

/* A service with few threads spends one on each incomplete request. A slow upload by itself does no harm. But while the
 * endpoint answers nobody, the upload may be the reason; and while requests time out, an upload that moves next to nothing
 * has to go. */
static bool is_in_the_way(const struct exchange *exchange, bool have_timed_out, uint64_t now_ms)
{
	const struct upstream_settings *settings = exchange_upstream(exchange);
	uint32_t unanswered = have_timed_out ? 1 : settings->ejection.consecutive_failures;
	uint64_t under_way_ms = now_ms - exchange->timeline.attempt_us / 1000, pace_in_all;

	if (exchange->upload.is_whole || exchange->downstream->is_blocked || under_way_ms < settings->connect_timeout_ms)
		return false;
	pace_in_all = pace(exchange->upload.bytes, under_way_ms);
	if (is_silent(exchange->attempt.lease->endpoint, settings, unanswered, now_ms))
		return pace_in_all < UPLOAD_BYTES_PER_S;
	return have_timed_out && pace_in_all < SLOW_BYTES_PER_S;
}

static void end_slow_uploads(struct worker *worker, const struct upstream *upstream, bool have_timed_out)
{
	uint64_t now_ms = worker_now_ms(worker);
	struct ring *last = worker->blocked.previous;
	bool is_over = ring_is_empty(&worker->blocked);

	while (!is_over) {
		struct exchange *exchange = rotate(&worker->blocked);

		is_over = &exchange->admission.held == last;
		if (exchange_upstream(exchange)->upstream == upstream && is_in_the_way(exchange, have_timed_out, now_ms))
			worker->upcalls->shed(exchange, SHED_SLOW);
	}
}

void places_end_uploads(struct worker *worker, struct upstream *upstream, bool have_timed_out)
{
	struct local_upstream *local = worker_local(worker, upstream);
	uint64_t now_ms = worker_now_ms(worker);

	if (local->uploads_looked_ms + PLACES_LOOK_AGAIN_MS > now_ms)
		return;
	local->uploads_looked_ms = now_ms;
	end_slow_uploads(worker, upstream, have_timed_out);
	ask_others(worker, upstream, have_timed_out ? SHED_WISH_MORE_UPLOADS : SHED_WISH_UPLOADS);
}

/* ---- tunnels and event streams ------------------------------------------------------------------------------ */

struct exchange *places_find_stream(struct worker *worker, const struct upstream *upstream)
{
	struct exchange *found = NULL;
	struct ring *last = worker->streams.previous;
	uint64_t now_ms = worker_now_ms(worker);
	unsigned passed = 0, compared = 0;
	bool is_over = ring_is_empty(&worker->streams);

	while (!is_over && passed++ < PASS_MOST && compared < COMPARE_MOST) {
		struct exchange *exchange = rotate(&worker->streams);
		const struct upstream_settings *settings = exchange_upstream(exchange);

		is_over = &exchange->admission.held == last;
		if (upstream != NULL && settings->upstream != upstream)
			continue;
		compared++;
		if (now_ms - exchange->attempt.heard_ms >= settings->idle_timeout_ms / 2 &&
		    (found == NULL || exchange->attempt.heard_ms < found->attempt.heard_ms))
			found = exchange;
	}
	return found;
}

static bool shed_silent_stream(struct worker *worker, const struct upstream *upstream)
{
	struct exchange *exchange = places_find_stream(worker, upstream);

	if (exchange == NULL)
		return false;
	worker->upcalls->shed(exchange, SHED_OLDEST_IDLE);
	return true;
}

bool places_make_room_for_stream(struct worker *worker, struct upstream *upstream)
{
	if (shed_silent_stream(worker, upstream))
		return true;
	ask_others(worker, upstream, SHED_WISH_STREAM);
	return false;
}

void places_on_wish(struct worker *worker, struct upstream *upstream, enum shed_wish wish)
{
	const struct local_upstream *local = upstream->index < worker->local_count ? worker_local(worker, upstream) : NULL;

	if (local != NULL && local->upstream == upstream) {
		if (wish == SHED_WISH_STREAM)
			shed_silent_stream(worker, upstream);
		else if (wish == SHED_WISH_UPLOADS || wish == SHED_WISH_MORE_UPLOADS)
			end_slow_uploads(worker, upstream, wish == SHED_WISH_MORE_UPLOADS);
		else if (bulkhead_in_flight(&upstream->bulkhead) >= local->limits.max_in_flight)
			free_place(worker, upstream, wish == SHED_WISH_ANY_PLACE);
	}
	upstream_release(upstream);
}
