/*
 * One turn of the loop: wait for events and serve them; then, with nothing of theirs on the stack any more, run what is due,
 * give each client that pipelined one request, free what died, and write the log. Time is read once a turn, when somebody
 * asks.
 */
#include "gateway/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buffer.h"
#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/client.h"
#include "gateway/exchange.h"
#include "gateway/net/pipe.h"
#include "gateway/net/socket.h"
#include "gateway/shed.h"

/* ---- small services ------------------------------------------------------------------------------------------ */

static void tell_drained(struct worker *worker)
{
	if (worker->state == WORKER_DRAINING && ring_is_empty(&worker->strangers) && ring_is_empty(&worker->waiting) &&
	    ring_is_empty(&worker->serving))
		inbox_send(&worker->shared->control, CONTROL_DRAINED, worker, NULL);
}

void worker_count_exchange(struct worker *worker, int change)
{
	worker->exchanges += (unsigned)change;
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

static void accept_at_once(struct worker *worker)
{
	for (size_t i = 0; i < worker->listener_count; i++)
		socket_accept_at_once(worker->listeners[i].fd);
}

/* Idle clients stay: one may be sending its next request just now. It is answered, with "Connection: close". */
static void begin_draining(struct worker *worker)
{
	if (worker->state != WORKER_SERVING)
		return;
	/* What is in the kernel's queue was accepted as far as its sender knows. */
	for (size_t i = 0; i < worker->listener_count; i++)
		listener_close(&worker->listeners[i]);
	worker->state = WORKER_DRAINING;
}

static void close_clients(struct worker *worker)
{
	while (!ring_is_empty(&worker->strangers))
		client_close(client_of_ring(worker->strangers.next), false);
	while (!ring_is_empty(&worker->waiting))
		client_close(client_of_ring(worker->waiting.next), false);
	while (!ring_is_empty(&worker->serving)) {
		struct client *client = client_of_ring(worker->serving.next);

		if (client->state == CLIENT_EXCHANGE)
			exchange_abort(client->exchange, OUTCOME_DRAINED);
		else
			client_close(client, false);
	}
}

static void take_message(struct worker *worker, const struct message *message)
{
	switch ((enum worker_message)message->kind) {
	case WORKER_ENDPOINTS:
		worker_take_endpoints(worker, message->subject, message->object);
		return;
	case WORKER_CONFIG:
		if (!worker_take_config(worker, message->object)) {
			log_error("worker %u: memory is short: it keeps the old configuration", worker->index);
			config_release(message->object);
		}
		return;
	case WORKER_LEAVE:
		accept_at_once(worker);
		return;
	case WORKER_DRAIN:
		begin_draining(worker);
		return;
	case WORKER_STOP:
		begin_draining(worker);
		worker->state = WORKER_STOPPED;
		return;
	case WORKER_CALL:
		admission_on_call(worker, message->subject);
		return;
	case WORKER_PING:
		return;
	case WORKER_LOG:
		if (!access_log_take(&worker->log, (int)(intptr_t)message->subject - 1))
			log_error("worker %u: memory is short: it writes no access log", worker->index);
		return;
	}
}

static void on_message(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;
	struct message *message = inbox_take(&worker->inbox), *next;

	(void)fd, (void)what;
	for (; message != NULL; message = next) {
		next = message->next;
		take_message(worker, message);
		free(message);
	}
}

/* ---- the loop ------------------------------------------------------------------------------------------------ */

/*
 * A timer as late as this was not served because this thread was not: its process was stopped, its container frozen, its machine
 * moved. What others are waited for may have come meanwhile, and who is heard first is not late. So nothing is due for some
 * turns, enough to hear of all: libevent asks for 32 events at once, and for twice as many each time when there are more.
 */
enum { AWAY_MS = 100, AWAY_TURNS = 10 };

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;

	(void)fd, (void)what;
	if (worker->turns_to_hear == 0 && worker_now_ms(worker) > worker->timer_at_ms + AWAY_MS)
		worker->turns_to_hear = AWAY_TURNS;
	worker->timer_at_ms = 0; /* the turn does the rest */
}

static void run_deadlines(struct worker *worker)
{
	if (worker->turns_to_hear == 0 || --worker->turns_to_hear == 0)
		deadlines_run(&worker->io.deadlines, worker_now_ms(worker));
}

static void arm_timer(struct worker *worker)
{
	uint64_t next_ms = deadlines_next_ms(&worker->io.deadlines), now_ms, wait_ms;

	if (next_ms == UINT64_MAX || (worker->timer_at_ms != 0 && worker->timer_at_ms <= next_ms))
		return; /* a timer that fires early costs one turn; moving it each time would cost every turn */
	now_ms = worker_now_ms(worker);
	wait_ms = next_ms > now_ms ? next_ms - now_ms : 1;
	if (event_add(&worker->timer, &(struct timeval){ .tv_sec = (time_t)(wait_ms / 1000),
	                                                  .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000) }) == 0)
		worker->timer_at_ms = now_ms + wait_ms;
}

/* One request of each; who waits again then has its next turn later. Serving one may close another. */
static void run_waiting_clients(struct worker *worker)
{
	struct ring now;

	ring_move(&worker->run, &now);
	while (!ring_is_empty(&now)) {
		struct client *client = (struct client *)((char *)now.next - offsetof(struct client, run));

		ring_remove(&client->run);
		client->is_in_run_list = false;
		client_run(client);
	}
}

static void dig_graves(struct worker *worker)
{
	struct grave *grave;

	while ((grave = worker->io.graves) != NULL) {
		worker->io.graves = grave->next;
		grave->dig(grave);
	}
}

static void on_log_due(struct deadline *deadline)
{
	access_log_flush(&((struct worker *)((char *)deadline - offsetof(struct worker, log_deadline)))->log);
}

/* Lines wait a moment for company: under load one write carries a hundred of them. */
static void flush_log_soon(struct worker *worker)
{
	if (worker->log.used >= LOG_BATCH_BYTES)
		access_log_flush(&worker->log);
	if (worker->log.used > 0 && worker->log_deadline.at_ms == 0)
		deadline_set(&worker->io.deadlines, &worker->log_deadline, worker_now_ms(worker) + LOG_WAIT_MS);
}

static void finish_turn(struct worker *worker)
{
	run_deadlines(worker);
	run_waiting_clients(worker);
	if (buffer_kept_bytes > worker->io.memory_bytes)
		shed_for_memory(worker);
	if (worker->has_calls) /* after all that may leave a place free */
		admission_run(worker);
	dig_graves(worker);
	flush_log_soon(worker);
	atomic_store_explicit(&worker->counters.log_lines_lost, worker->log.lost, memory_order_relaxed);
	counter_add(&worker->counters.turns, 1);
	tell_drained(worker);
	arm_timer(worker);
	worker->io.now_us = 0;
}

static void *run(void *context)
{
	struct worker *worker = context;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL); /* signals are the control thread's */
	buffer_most_bytes = worker->io.memory_bytes + worker->io.memory_bytes / 4;
	if (!sandbox_enter_worker(&worker->shared->sandbox))
		log_warn("worker %u: its system calls are not filtered: %s", worker->index, strerror(errno));
	on_message(-1, 0, worker);
	while (worker->state != WORKER_STOPPED) {
		event_base_loop(worker->io.base, ring_is_empty(&worker->run) ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
		finish_turn(worker);
	}
	close_clients(worker);
	finish_turn(worker);
	access_log_flush(&worker->log);
	return NULL;
}

/* ---- clients ------------------------------------------------------------------------------------------------- */

static bool has_room(struct listener *listener)
{
	struct worker *worker = listener->owner;
	struct shared *shared = worker->shared;

	return bulkhead_in_flight(&shared->clients) < shared->capacity.connections || may_shed_for_newcomer(worker, SHED_IDLE_LEAST_MS);
}

static bool make_room(struct listener *listener)
{
	return shed_for_newcomer(listener->owner, 0);
}

/* More than its share? A trusted proxy speaks for many. */
static bool is_crowding(struct worker *worker, const struct address *peer, uint32_t connections)
{
	const struct config *config = worker->snapshot->config;

	return config->limits.connections_per_client != 0 && connections > config->limits.connections_per_client &&
	       !config_trusts(config, peer);
}

static bool on_accept(struct listener *listener, int fd, const struct address *peer)
{
	struct worker *worker = listener->owner;
	struct shared *shared = worker->shared;
	bool is_crowded;

	if (!bulkhead_enter(&shared->clients, shared->capacity.connections) &&
	    !(shed_for_newcomer(worker, SHED_IDLE_LEAST_MS) && bulkhead_enter(&shared->clients, shared->capacity.connections))) {
		close(fd); /* another worker was faster: this one is turned away, the next waits in the kernel */
		shed_count(worker, SHED_FULL);
		return false;
	}
	is_crowded = is_crowding(worker, peer, crowd_enter(&shared->crowd, peer));
	if (is_crowded)
		close(fd);
	if (!is_crowded && client_open(worker, fd, peer, listener->address.port))
		return true;
	shed_count(worker, is_crowded ? SHED_CLIENT_LIMIT : SHED_NO_MEMORY);
	crowd_leave(&shared->crowd, peer);
	bulkhead_leave(&shared->clients);
	return is_crowded;
}

static void on_rest(struct listener *listener, int error)
{
	struct worker *worker = listener->owner;

	counter_add(&worker->counters.accept_rests, 1);
	if (worker->rest_logged_ms + 1000 > worker_now_ms(worker))
		return;
	worker->rest_logged_ms = worker_now_ms(worker);
	log_warn("worker %u accepts no more for the moment: %s", worker->index,
	         error == 0 ? "limits.connections is reached" : strerror(error));
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

static bool open_listeners(struct worker *worker, const struct config *config, const int *fds)
{
	worker->listeners = calloc(config->listen_count, sizeof *worker->listeners);
	if (worker->listeners == NULL)
		return false;
	for (size_t i = 0; i < config->listen_count; i++) {
		struct listener *listener = &worker->listeners[i];

		listener->has_room = has_room;
		listener->make_room = make_room;
		listener->on_accept = on_accept;
		listener->on_rest = on_rest;
		listener->owner = worker;
		if (!listener_open(listener, worker->io.base, fds[i], &config->listen[i]))
			return false;
		worker->listener_count++;
	}
	return true;
}

/* epoll's timers are exact to the millisecond, which is what deadlines want; a timerfd would cost a call a turn. */
static struct event_base *new_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base = NULL;

	if (config == NULL)
		return NULL;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_NO_CACHE_TIME);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

bool worker_init(struct worker *worker, unsigned index, struct shared *shared, struct config *config, const int *listen_fds)
{
	*worker = (struct worker){ .index = index, .shared = shared, .log = { .fd = -1 } };
	ring_init(&worker->run);
	ring_init(&worker->strangers);
	ring_init(&worker->waiting);
	ring_init(&worker->serving);
	worker->io.memory_bytes = shared->capacity.memory_bytes;
	worker->io.base = new_base();
	worker->io.scratch = malloc(IO_HEADROOM_BYTES + IO_SCRATCH_BYTES);
	if (worker->io.base == NULL || worker->io.scratch == NULL || !inbox_init(&worker->inbox))
		return false;
	deadlines_init(&worker->io.deadlines, clock_now_ms());
	streams_init(&worker->io);
	deadline_init(&worker->log_deadline, on_log_due);
	random_seed(&worker->random);
	event_assign(&worker->inbox_event, worker->io.base, worker->inbox.descriptor, EV_READ | EV_PERSIST, on_message, worker);
	evtimer_assign(&worker->timer, worker->io.base, on_timer, worker);
	return event_add(&worker->inbox_event, NULL) == 0 && worker_take_config(worker, config_reference(config)) &&
	       open_listeners(worker, config, listen_fds);
}

bool worker_start(struct worker *worker)
{
	return pthread_create(&worker->thread, NULL, run, worker) == 0;
}

void worker_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
}

void worker_destroy(struct worker *worker)
{
	struct exchange *spare;

	on_message(-1, 0, worker); /* references in messages that came too late */
	snapshot_release(worker, worker->snapshot);
	worker_forget_upstreams(worker);
	dig_graves(worker);
	while ((spare = worker->spare) != NULL) {
		worker->spare = spare->next_spare;
		exchange_free(spare);
	}
	access_log_close(&worker->log);
	event_del(&worker->inbox_event);
	event_del(&worker->timer);
	inbox_destroy(&worker->inbox);
	pipe_close_spare(&worker->io);
	event_base_free(worker->io.base);
	free(worker->listeners);
	free(worker->locals);
	free(worker->pools);
	free(worker->fields);
	free(worker->head);
	free(worker->io.scratch);
}
