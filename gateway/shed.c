/*
 * Three rings of clients tell who that is. First strangers, who have not sent one whole request yet: a flood of connections
 * replaces itself and leaves alone who was there before. Then whoever has been idle for longest. Of those whose request is
 * under way only slow ones, the oldest first: whose client sends its body or takes its response at less than SLOW_BYTES_PER_S,
 * judged only while it is the client that is waited for (client->deadline runs then) and has been for SLOW_MS. Slow clients are
 * welcome as long as there is room; a thousand of them must not fill an upstream's bulkhead, or all memory, and so lock out
 * everybody else.
 */
#include "gateway/shed.h"

#include <errno.h>

#include "gateway/base/buffer.h"
#include "gateway/base/log.h"
#include "gateway/client.h"
#include "gateway/exchange.h"
#include "gateway/net/pipe.h"

/* A flood must not turn into work without bound: so many may be replaced in so much time, by each worker. */
enum { SHED_MOST = 128, SHED_SPAN_MS = 100, SHED_LOG_MS = 1000 };
enum { LOOK_AGAIN_MS = 10 };

void shed_count(struct worker *worker, enum shed_reason reason)
{
	uint64_t now_ms = worker_now_ms(worker);

	counter_add(&worker->counters.shed[reason], 1);
	if (worker->shed_logged_ms[reason] + SHED_LOG_MS > now_ms)
		return;
	worker->shed_logged_ms[reason] = now_ms;
	log_warn("worker %u sheds connections: %s (%llu so far)", worker->index, shed_reason_words[reason],
	         (unsigned long long)counter_read(&worker->counters.shed[reason]));
}

/* Does nothing more happen on it than that we wait? A request that is held for its turn is under way. */
static bool is_waited_for(const struct client *client, bool may_have_begun)
{
	return client->state == CLIENT_READING_HEAD ? may_have_begun : !client_has_held(client);
}

static struct client *first_waited_for(struct ring *ring, bool may_have_begun)
{
	for (struct ring *entry = ring->next; entry != ring; entry = entry->next)
		if (is_waited_for(client_of_ring(entry), may_have_begun))
			return client_of_ring(entry);
	return NULL;
}

static struct client *dispensable(struct worker *worker, bool may_have_begun, uint64_t least_idle_ms)
{
	struct client *client = first_waited_for(&worker->strangers, may_have_begun);

	if (client != NULL)
		return client;
	client = first_waited_for(&worker->waiting, may_have_begun);
	return client != NULL && worker_now_ms(worker) - client->idle_since_ms >= least_idle_ms ? client : NULL;
}

static void shed_waiting(struct client *client, enum shed_reason reason)
{
	struct worker *worker = client->worker;

	if (client->state == CLIENT_READING_HEAD)
		client_give_up_head(client, OUTCOME_SHED); /* a line in the log, as for every request that was begun */
	else
		client_close(client, false);
	shed_count(worker, reason);
}

/* NULL: nobody waits so long, or enough were shed in this span. */
static struct client *for_newcomer(struct worker *worker, uint64_t least_idle_ms)
{
	uint64_t now_ms = worker_now_ms(worker);

	if (worker->shed_span_ms + SHED_SPAN_MS <= now_ms) {
		worker->shed_span_ms = now_ms;
		worker->shed_in_span = 0;
	}
	return worker->shed_in_span < SHED_MOST ? dispensable(worker, true, least_idle_ms) : NULL;
}

bool may_shed_for_newcomer(struct worker *worker, uint64_t least_idle_ms)
{
	return for_newcomer(worker, least_idle_ms) != NULL;
}

bool shed_for_newcomer(struct worker *worker, uint64_t least_idle_ms)
{
	struct client *client = for_newcomer(worker, least_idle_ms);

	if (client == NULL)
		return false;
	worker->shed_in_span++;
	shed_waiting(client, SHED_OLDEST_IDLE);
	return true;
}

bool shed_for_descriptor(struct worker *worker)
{
	struct client *client = dispensable(worker, false, 0);

	if (client != NULL) {
		shed_waiting(client, SHED_OLDEST_IDLE);
		return true;
	}
	/* Whoever is accepted now fails likewise; in the kernel's queue there is time until a request is over. */
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_rest(&worker->listeners[i], EMFILE);
	errno = EMFILE; /* what was logged of it may have failed, too */
	return false;
}

/* ---- slow ones ----------------------------------------------------------------------------------------------- */

static bool is_slow(const struct client *client, uint64_t now_ms)
{
	const struct exchange *exchange = client->exchange;
	uint64_t waited_ms;

	if (client->state != CLIENT_EXCHANGE || client->deadline.at_ms == 0)
		return false;
	if (!stream_is_pending(&client->stream))
		return exchange_is_client_late(exchange);
	waited_ms = now_ms + exchange->snapshot->config->limits.write_timeout_ms - client->deadline.at_ms;
	return waited_ms >= SLOW_MS &&
	       (uint64_t)(stream_taken(&client->stream) - exchange->client_took) * 1000 < waited_ms * SLOW_BYTES_PER_S;
}

static void shed_slow(struct client *client, enum shed_reason reason)
{
	struct worker *worker = client->worker;

	exchange_abort(client->exchange, OUTCOME_SHED);
	shed_count(worker, reason);
}

static bool holds_place(const struct exchange *exchange)
{
	return exchange->holds_place;
}

static bool holds_probe(const struct exchange *exchange)
{
	return exchange->holds_permit && breaker_permit_is_probe(&exchange->permit);
}

static bool shed_slow_one(struct worker *worker, const struct upstream *upstream, bool (*holds)(const struct exchange *exchange))
{
	struct local_upstream *local = worker_local(worker, upstream);
	uint64_t now_ms = worker_now_ms(worker);

	if (local->slow_looked_ms + LOOK_AGAIN_MS > now_ms)
		return false;
	for (struct ring *entry = worker->serving.next; entry != &worker->serving; entry = entry->next) {
		struct client *client = client_of_ring(entry);

		if (client->state == CLIENT_EXCHANGE && holds(client->exchange) &&
		    exchange_upstream(client->exchange)->upstream == upstream && is_slow(client, now_ms)) {
			shed_slow(client, SHED_SLOW);
			return true;
		}
	}
	local->slow_looked_ms = now_ms;
	return false;
}

bool shed_for_request(struct worker *worker, const struct upstream *upstream)
{
	return shed_slow_one(worker, upstream, holds_place);
}

bool shed_for_probe(struct worker *worker, const struct upstream *upstream)
{
	return shed_slow_one(worker, upstream, holds_probe);
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* What goes when it goes. */
static size_t kept_for(const struct client *client)
{
	const struct exchange *exchange = client->exchange;
	size_t bytes = client->held.size;

	if (client->stream.pending != NULL)
		bytes += client->stream.pending_size;
	if (client->stream.pipe != NULL)
		bytes += client->stream.pipe->bytes;
	return exchange == NULL ? bytes : bytes + exchange->raw.size + exchange->head.size + exchange->kept.size;
}

void shed_for_memory(struct worker *worker)
{
	struct ring *const rings[] = { &worker->serving, &worker->strangers, &worker->waiting };
	uint64_t now_ms = worker_now_ms(worker);
	size_t over = buffer_kept_bytes - worker->io.memory_bytes, freed = 0;

	if (worker->memory_looked_ms + LOOK_AGAIN_MS > now_ms)
		return;
	for (size_t i = 0; i < 3; i++) {
		for (struct ring *entry = rings[i]->next, *next; entry != rings[i] && freed < over; entry = next) {
			struct client *client = client_of_ring(entry);
			size_t kept = kept_for(client);

			next = entry->next;
			if (client->state == CLIENT_READING_HEAD)
				shed_waiting(client, SHED_NO_MEMORY);
			else if (is_slow(client, now_ms))
				shed_slow(client, SHED_NO_MEMORY);
			else
				continue;
			freed += kept;
		}
	}
	if (freed < over)
		worker->memory_looked_ms = now_ms;
}
