/*
 * One loop iteration: the worker serves the events that have come. Then it runs what is due, serves one request of each client
 * that pipelines, frees dead objects, and writes the log. It reads the clock at most once per iteration.
 */
#include "gateway/worker/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "gateway/base/buffer.h"
#include "gateway/base/container.h"
#include "gateway/base/log.h"
#include "gateway/downstream/h1.h"
#include "gateway/downstream/h1_request.h"
#include "gateway/exchange/exchange.h"
#include "gateway/exchange/admission.h"
#include "gateway/exchange/places.h"
#include "gateway/exchange/keep.h"
#include "gateway/exchange/spare.h"
#include "gateway/net/pipe.h"
#include "gateway/net/timer.h"
#include "gateway/worker/accept.h"
#include "gateway/worker/active.h"
#include "gateway/worker/shed.h"
#include "gateway/worker/abandoned.h"
#include "gateway/worker/snapshot.h"

static void tell_drained(struct worker *worker)
{
	if (worker->state == WORKER_DRAINING && ring_is_empty(&worker->new_clients) && ring_is_empty(&worker->waiting) &&
	    ring_is_empty(&worker->serving))
		inbox_send(&worker->shared->control, CONTROL_DRAINED, worker, NULL);
}

/* ---- messages ------------------------------------------------------------------------------------------------ */

/* Idle clients stay: one may be sending its next request just now, and gets its answer with "Connection: close". */
static void begin_draining(struct worker *worker)
{
	if (worker->state != WORKER_SERVING)
		return;
	accept_close(worker);
	worker->state = WORKER_DRAINING;
}

static void close_clients(struct worker *worker)
{
	while (!ring_is_empty(&worker->new_clients))
		h1_client_close(client_of_ring(worker->new_clients.next), false);
	while (!ring_is_empty(&worker->waiting))
		h1_client_close(client_of_ring(worker->waiting.next), false);
	while (!ring_is_empty(&worker->serving)) {
		struct client *client = client_of_ring(worker->serving.next);

		if (client->state == CLIENT_EXCHANGE)
			exchange_abort(client->downstream.exchange, OUTCOME_DRAINED);
		else
			h1_client_close(client, false);
	}
}

static void take_message(struct worker *worker, const struct message *message)
{
	switch ((enum worker_message)message->kind) {
	case WORKER_ENDPOINTS:
		snapshot_take_endpoints(worker, message->subject, message->object);
		return;
	case WORKER_CONFIG:
		if (!snapshot_take_config(worker, message->object)) {
			log_error("worker %u: out of memory: it keeps the old configuration", worker->index);
			config_release(message->object);
		}
		return;
	case WORKER_KEYS:
		issuers_take_keys(&worker->issuers, message->subject, message->object);
		return;
	case WORKER_LEAVE:
		accept_at_once(worker);
		return;
	case WORKER_FINISH:
		accept_finish(worker);
		return;
	case WORKER_DRAIN:
		begin_draining(worker);
		return;
	case WORKER_STOP:
		begin_draining(worker);
		worker->state = WORKER_STOPPED;
		return;
	case WORKER_WAKE:
		admission_on_wake(worker, message->subject);
		return;
	case WORKER_SHED:
		places_on_wish(worker, message->subject, (enum shed_wish)(uintptr_t)message->object);
		return;
	case WORKER_KEPT:
		keep_tell(worker, (uint64_t)(uintptr_t)message->subject);
		return;
	case WORKER_PING:
		active_publish(worker);
		return;
	case WORKER_RUN:
		((struct worker_run *)message->subject)->run(message->subject);
		return;
	case WORKER_LOG:
		access_log_take(&worker->log, (int)(intptr_t)message->subject - 1);
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

/* A timer as late as this means that this thread did not run: its process was stopped, its container frozen, its machine moved.
 * What it waits for may have come meanwhile. So the worker first reads for some iterations, before any deadline is due: enough to
 * hear of all, since libevent asks for 32 events at once, and for twice as many each time when there are more. */
enum { AWAY_MS = 100, AWAY_ITERATIONS = 10 };

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct worker *worker = context;

	(void)fd, (void)what;
	if (worker->iterations_to_read == 0 && worker_now_ms(worker) > worker->timer_at_ms + AWAY_MS)
		worker->iterations_to_read = AWAY_ITERATIONS;
	worker->timer_at_ms = 0; /* the rest of the iteration does the work */
}

static void run_deadlines(struct worker *worker)
{
	if (worker->iterations_to_read == 0 || --worker->iterations_to_read == 0)
		deadlines_run(&worker->io.deadlines, worker_now_ms(worker));
}

static void arm_timer(struct worker *worker)
{
	uint64_t next_ms = deadlines_next_ms(&worker->io.deadlines), now_ms, wait_ms;

	if (next_ms == UINT64_MAX || (worker->timer_at_ms != 0 && worker->timer_at_ms <= next_ms))
		return; /* a timer that fires early costs one iteration; moving the timer would cost every iteration */
	now_ms = worker_now_ms(worker);
	wait_ms = next_ms > now_ms ? next_ms - now_ms : 1;
	if (timer_set(&worker->timer, wait_ms))
		worker->timer_at_ms = now_ms + wait_ms;
}

/* Serves one request of each client; one that waits again gets its turn later. Serving one may close another. */
static void run_waiting_clients(struct worker *worker)
{
	struct ring now;

	ring_move(&worker->run, &now);
	while (!ring_is_empty(&now)) {
		struct client *client = container_of(now.next, struct client, run);

		ring_remove(&client->run);
		client->is_in_run_list = false;
		h1_request_run(client);
	}
}

static void free_deferred(struct worker *worker)
{
	struct deferred_free *deferred;

	while ((deferred = worker->io.deferred) != NULL) {
		worker->io.deferred = deferred->next;
		deferred->free(deferred);
	}
}

static void on_log_due(struct deadline *deadline)
{
	access_log_flush(&container_of(deadline, struct worker, log_deadline)->log);
}

/* Lines wait for each other for a moment: under load one write carries a hundred of them. */
static void flush_log_soon(struct worker *worker)
{
	if (worker->log.used >= LOG_BATCH_BYTES)
		access_log_flush(&worker->log);
	if (worker->log.used > 0 && worker->log_deadline.at_ms == 0)
		deadline_set(&worker->io.deadlines, &worker->log_deadline, worker_now_ms(worker) + LOG_WAIT_MS);
}

static void finish_iteration(struct worker *worker)
{
	run_deadlines(worker);
	run_waiting_clients(worker);
	if (buffer_kept_bytes > worker->io.memory_bytes)
		shed_for_memory(worker);
	if (worker->has_woken) /* after everything that may free a place */
		exchange_run_queues(worker);
	free_deferred(worker);
	flush_log_soon(worker);
	atomic_store_explicit(&worker->counters.log_lines_lost, worker->log.lost, memory_order_relaxed);
	counter_add(&worker->counters.iterations, 1);
	tell_drained(worker);
	arm_timer(worker);
	worker->io.now_us = 0;
}

static void *run(void *context)
{
	struct worker *worker = context;
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL); /* the control thread handles signals */
	buffer_most_bytes = worker->io.memory_bytes + worker->io.memory_bytes / 4;
	if (!sandbox_enter_worker(&worker->shared->sandbox))
		log_warn("worker %u runs without a system call filter: %s", worker->index, strerror(errno));
	on_message(-1, 0, worker);
	while (worker->state != WORKER_STOPPED) {
		event_base_loop(worker->io.base, ring_is_empty(&worker->run) ? EVLOOP_ONCE : EVLOOP_NONBLOCK);
		finish_iteration(worker);
	}
	close_clients(worker);
	abandoned_end_all(worker);
	finish_iteration(worker);
	access_log_flush(&worker->log);
	return NULL;
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

/* epoll's timers are exact to the millisecond, as deadlines are; a timerfd would cost one system call per iteration. */
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

static const struct worker_upcalls upcalls = {
	.take_limits = admission_take_limits, .forget_upstream = admission_forget,
	.free_descriptor = shed_for_descriptor, .shed = shed_exchange,
};

bool loop_init(struct worker *worker, unsigned index, struct shared *shared, struct config *config, const int *listen_fds)
{
	struct ring *const rings[] = { &worker->run,     &worker->new_clients, &worker->waiting,  &worker->serving,
		                       &worker->blocked, &worker->streams,     &worker->abandoned, &worker->issuers.waits };

	*worker = (struct worker){ .upcalls = &upcalls, .index = index, .shared = shared, .log = { .fd = -1 } };
	for (size_t i = 0; i < sizeof rings / sizeof *rings; i++)
		ring_init(rings[i]);
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
	return event_add(&worker->inbox_event, NULL) == 0 && snapshot_take_config(worker, config_reference(config)) &&
	       accept_open(worker, config, listen_fds);
}

bool loop_start(struct worker *worker)
{
	return pthread_create(&worker->thread, NULL, run, worker) == 0;
}

void loop_join(struct worker *worker)
{
	pthread_join(worker->thread, NULL);
}

void loop_destroy(struct worker *worker)
{
	on_message(-1, 0, worker); /* releases the references in messages that came too late */
	snapshot_release(worker, worker->snapshot);
	snapshot_forget_all(worker);
	free_deferred(worker);
	spare_free_all(worker);
	kept_free(&worker->kept);
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
