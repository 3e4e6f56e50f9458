#include "gateway/worker/accept.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/downstream/h1.h"
#include "gateway/net/listener.h"
#include "gateway/net/socket.h"
#include "gateway/worker/shed.h"

static bool has_room(struct listener *listener)
{
	struct worker *worker = listener->owner;
	struct shared *shared = worker->shared;

	return bulkhead_in_flight(&shared->clients) < shared->capacity.connections || shed_may_for_newcomer(worker, SHED_IDLE_LEAST_MS);
}

static bool make_room(struct listener *listener)
{
	return shed_for_newcomer(listener->owner, 0);
}

/* Has this client more connections than allowed? A trusted proxy speaks for many. */
static bool is_over_share(struct worker *worker, const struct address *peer, uint32_t connections)
{
	const struct config *config = worker->snapshot->config;

	return config->limits.connections_per_client != 0 && connections > config->limits.connections_per_client &&
	       !config_trusts(config, peer);
}

static int on_accept(struct listener *listener, int fd, const struct address *peer)
{
	struct worker *worker = listener->owner;
	struct shared *shared = worker->shared;
	bool is_over;

	if (!bulkhead_enter(&shared->clients, shared->capacity.connections) &&
	    !(shed_for_newcomer(worker, SHED_IDLE_LEAST_MS) && bulkhead_enter(&shared->clients, shared->capacity.connections))) {
		close(fd); /* another worker was faster: close this one, and leave the next in the kernel's queue */
		worker_count_shed(worker, SHED_FULL);
		return LISTENER_FULL;
	}
	is_over = is_over_share(worker, peer, client_counts_enter(&shared->client_counts, peer));
	if (is_over)
		close(fd);
	if (!is_over && h1_open(worker, fd, peer))
		return 0;
	worker_count_shed(worker, is_over ? SHED_CLIENT_LIMIT : SHED_OUT_OF_MEMORY);
	client_counts_leave(&shared->client_counts, peer);
	bulkhead_leave(&shared->clients);
	return is_over ? 0 : ENOMEM;
}

static void on_pause(struct listener *listener, int error)
{
	struct worker *worker = listener->owner;

	counter_add(&worker->counters.accept_pauses, 1);
	if (worker->pause_logged_ms + 1000 > worker_now_ms(worker))
		return;
	worker->pause_logged_ms = worker_now_ms(worker);
	log_warn("worker %u pauses accepting connections: %s", worker->index,
	         error == LISTENER_FULL ? "limits.connections is reached" : strerror(error));
}

bool accept_open(struct worker *worker, const struct config *config, const int *fds)
{
	worker->listeners = calloc(config->listen_count, sizeof *worker->listeners);
	if (worker->listeners == NULL)
		return false;
	for (size_t i = 0; i < config->listen_count; i++) {
		struct listener *listener = &worker->listeners[i];

		listener->has_room = has_room;
		listener->make_room = make_room;
		listener->on_accept = on_accept;
		listener->on_pause = on_pause;
		listener->owner = worker;
		if (!listener_open(listener, worker->io.base, fds[i], &config->listen[i]))
			return false;
		worker->listener_count++;
	}
	return true;
}

void accept_at_once(struct worker *worker)
{
	for (size_t i = 0; i < worker->listener_count; i++)
		socket_accept_at_once(worker->listeners[i].fd);
}

void accept_finish(struct worker *worker)
{
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_finish(&worker->listeners[i]);
}

void accept_close(struct worker *worker)
{
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_close(&worker->listeners[i]);
}
