/*
 *            bytes            whole head           over, kept
 *   IDLE ------------> READING_HEAD ------> EXCHANGE -----------> IDLE (run again when bytes are held)
 *     |                     |                   | over, not kept
 *     | deadline, FIN       | deadline, bad     v
 *     +-------> CLOSED <----+----------> LINGERING --FIN or deadline--> CLOSED
 *
 * A head that comes in one read, as nearly all do, is parsed where it was received; only a part of one is kept. While an
 * exchange is under way the socket is read for the request's body; what comes after it is held, one read at most, and then
 * reading stops: a client that pipelines waits in the kernel.
 */
#include "gateway/downstream/h1_client.h"

#include <stdlib.h>

#include "gateway/exchange/exchange.h"
#include "gateway/net/listener.h"

/* A client that got its answer before it had sent its whole request: the gateway reads it for so long after its last byte,
 * and for so long in all. A client that sends everything before it reads must get to its answer. */
enum { LINGER_MS = 2000, LINGER_MOST_MS = 30 * 1000 };

static void set_deadline(struct client *client, uint32_t timeout_ms)
{
	deadline_set(&client->downstream.worker->io.deadlines, &client->downstream.deadline,
	             worker_now_ms(client->downstream.worker) + timeout_ms);
}

static void move_to(struct client *client, struct ring *ring)
{
	ring_remove(&client->ring);
	ring_append(ring, &client->ring);
}

void h1_client_enter(struct client *client, enum client_state state)
{
	bool was_served = client->state == CLIENT_EXCHANGE;

	client->state = state;
	switch (state) {
	case CLIENT_IDLE:
		client->downstream.exchange = NULL;
		move_to(client, was_served ? &client->downstream.worker->waiting : &client->downstream.worker->new_clients);
		client->idle_since_ms = worker_now_ms(client->downstream.worker);
		deadline_set(&client->downstream.worker->io.deadlines, &client->downstream.deadline,
		             client->idle_since_ms + h1_client_limits(client)->idle_timeout_ms);
		break;
	case CLIENT_READING_HEAD:
		set_deadline(client, h1_client_limits(client)->head_timeout_ms);
		break;
	case CLIENT_EXCHANGE:
		move_to(client, &client->downstream.worker->serving);
		deadline_clear(&client->downstream.deadline);
		break;
	case CLIENT_LINGERING:
		client->downstream.exchange = NULL;
		move_to(client, &client->downstream.worker->new_clients); /* the first to close when room is short */
		client->idle_since_ms = worker_now_ms(client->downstream.worker);
		set_deadline(client, LINGER_MS);
		break;
	case CLIENT_CLOSED:
		client->downstream.exchange = NULL;
		ring_remove(&client->ring);
		deadline_remove(&client->downstream.worker->io.deadlines, &client->downstream.deadline);
		break;
	}
}

void h1_client_linger_on(struct client *client)
{
	struct worker *worker = client->downstream.worker;

	if (worker->state == WORKER_SERVING && worker_now_ms(worker) < client->idle_since_ms + LINGER_MOST_MS - LINGER_MS)
		set_deadline(client, LINGER_MS);
}

void h1_client_hold(struct client *client, const char *bytes, size_t length)
{
	if (!buffer_append(&client->held, bytes, length)) {
		exchange_abort(client->downstream.exchange, OUTCOME_OUT_OF_MEMORY);
		return;
	}
	stream_pause(&client->stream);
}

void h1_client_queue_to_run(struct client *client)
{
	struct worker *worker = client->downstream.worker;

	if (client->is_in_run_list)
		return;
	client->is_in_run_list = true;
	ring_append(&worker->run, &client->run);
}

static void free_it(struct deferred_free *deferred)
{
	struct client *client = container_of(deferred, struct client, deferred_free);

	transfer_end(&client->body);
	buffer_free(&client->held);
	free(client);
}

void h1_client_close(struct client *client, bool is_reset)
{
	struct worker *worker = client->downstream.worker;

	if (client->state == CLIENT_CLOSED)
		return;
	h1_client_enter(client, CLIENT_CLOSED);
	stream_close(&client->stream, is_reset);
	if (client->is_in_run_list)
		ring_remove(&client->run);
	client->is_in_run_list = false;
	counter_add(&worker->counters.connections_open, (uint64_t)-1);
	client_counts_leave(&worker->shared->client_counts, &client->downstream.peer);
	bulkhead_leave(&worker->shared->clients);
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_wake(&worker->listeners[i]);
	io_free_later(&worker->io, &client->deferred_free, free_it);
}
