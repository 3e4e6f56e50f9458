/*
 * Three rings of clients tell which one has to go. The first are new clients, which have not sent one whole request
 * yet: a flood of connections replaces itself and leaves the others alone. The second is the client that has been idle
 * for longest, the third the tunnel or event stream that has been silent for longest. Of the clients with a request
 * under way, only slow ones go. Slow clients are welcome as long as there is room; but a thousand of them must not fill
 * an upstream's bulkhead, or all memory, and so lock out everybody else.
 */
#include "gateway/worker/shed.h"

#include <errno.h>

#include "gateway/base/buffer.h"
#include "gateway/base/log.h"
#include "gateway/downstream/h1_client.h"
#include "gateway/downstream/h1_request.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/places.h"
#include "gateway/exchange/state.h"
#include "gateway/net/listener.h"
#include "gateway/net/pipe.h"
#include "gateway/net/stream_info.h"

/* A flood must not cause unbounded work: each worker replaces at most so many clients in so much time. */
enum { SHED_MOST = 128, SHED_SPAN_MS = 100 };

void shed_exchange(struct exchange *exchange, enum shed_reason reason)
{
	struct worker *worker = exchange->worker;

	exchange_abort(exchange, OUTCOME_SHED);
	worker_count_shed(worker, reason);
}

/* Does the gateway do nothing but wait for this client? A held request that waits for its turn is under way. */
static bool is_waited_for(const struct client *client, bool may_have_begun)
{
	if (client->state == CLIENT_READING_HEAD)
		return may_have_begun;
	return client->state == CLIENT_LINGERING || !h1_client_has_held(client);
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
	struct client *client = first_waited_for(&worker->new_clients, may_have_begun);
	struct exchange *stream;

	if (client != NULL)
		return client;
	client = first_waited_for(&worker->waiting, may_have_begun);
	if (client != NULL && worker_now_ms(worker) - client->idle_since_ms >= least_idle_ms)
		return client;
	stream = places_find_stream(worker, NULL);
	return stream == NULL ? NULL : client_of(stream->downstream);
}

static void shed_waiting(struct client *client, enum shed_reason reason)
{
	struct worker *worker = client->downstream.worker;

	if (client->state == CLIENT_READING_HEAD)
		h1_request_give_up_head(client, OUTCOME_SHED); /* with a line in the log, as for every request */
	else if (client->state == CLIENT_EXCHANGE)
		exchange_abort(client->downstream.exchange, OUTCOME_SHED);
	else
		h1_client_close(client, false);
	worker_count_shed(worker, reason);
}

/* NULL: no client has waited so long, or the worker has closed enough clients in this span. */
static struct client *for_newcomer(struct worker *worker, uint64_t least_idle_ms)
{
	uint64_t now_ms = worker_now_ms(worker);

	if (worker->shed_span_ms + SHED_SPAN_MS <= now_ms) {
		worker->shed_span_ms = now_ms;
		worker->shed_in_span = 0;
	}
	return worker->shed_in_span < SHED_MOST ? dispensable(worker, true, least_idle_ms) : NULL;
}

bool shed_may_for_newcomer(struct worker *worker, uint64_t least_idle_ms)
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
	/* Accepting would fail again now; in the kernel's queue a client has time until a request is over. */
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_pause(&worker->listeners[i], EMFILE);
	errno = EMFILE; /* what was logged of it may have failed, too */
	return false;
}

/* ---- slow ones ----------------------------------------------------------------------------------------------- */

/* Does the client send the rest of its body too slowly? */
static bool is_body_late(const struct exchange *exchange, uint64_t now_ms)
{
	uint64_t since_us = exchange->timeline.attempt_us != 0 ? exchange->timeline.attempt_us
	                    : exchange->timeline.began_us;
	uint64_t age_ms = now_ms - since_us / 1000;
	uint64_t waited_ms = now_ms + exchange->snapshot->config->limits.body_timeout_ms - exchange->downstream->deadline.at_ms;

	return waited_ms >= SLOW_MS ||
	       (age_ms >= SLOW_MS && exchange->upload.bytes * 1000 < age_ms * SLOW_BYTES_PER_S);
}

static bool is_slow(const struct client *client, uint64_t now_ms)
{
	const struct exchange *exchange = client->downstream.exchange;
	uint64_t waited_ms;

	if (client->state != CLIENT_EXCHANGE || client->downstream.deadline.at_ms == 0)
		return false;
	if (!stream_is_pending(&client->stream))
		return !exchange->upload.is_whole && is_body_late(exchange, now_ms);
	waited_ms = now_ms + exchange->snapshot->config->limits.write_timeout_ms - client->downstream.deadline.at_ms;
	return waited_ms >= SLOW_MS &&
	       (uint64_t)(stream_taken(&client->stream) - exchange->download.took) * 1000 < waited_ms * SLOW_BYTES_PER_S;
}

/* ---- memory -------------------------------------------------------------------------------------------------- */

/* The memory that closing it frees. */
static size_t kept_for(const struct client *client)
{
	const struct exchange *exchange = client->downstream.exchange;
	size_t bytes = client->held.size + client->stream.pending.size;

	if (client->stream.pipe != NULL)
		bytes += client->stream.pipe->bytes;
	return exchange == NULL ? bytes : bytes + exchange->raw.size + exchange->head.size + exchange->kept.size;
}

void shed_for_memory(struct worker *worker)
{
	struct ring *const rings[] = { &worker->serving, &worker->new_clients, &worker->waiting };
	uint64_t now_ms = worker_now_ms(worker);
	size_t over = buffer_kept_bytes - worker->io.memory_bytes, freed = 0;

	if (worker->memory_looked_ms + PLACES_LOOK_AGAIN_MS > now_ms)
		return;
	for (size_t i = 0; i < 3; i++) {
		for (struct ring *entry = rings[i]->next, *next; entry != rings[i] && freed < over; entry = next) {
			struct client *client = client_of_ring(entry);
			size_t kept = kept_for(client);

			next = entry->next;
			if (client->state == CLIENT_READING_HEAD)
				shed_waiting(client, SHED_NO_MEMORY);
			else if (is_slow(client, now_ms))
				shed_exchange(client->downstream.exchange, SHED_NO_MEMORY);
			else
				continue;
			freed += kept;
		}
	}
	if (freed < over)
		worker->memory_looked_ms = now_ms;
}
