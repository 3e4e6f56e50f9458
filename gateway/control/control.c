#include "gateway/control/control.h"

#include <signal.h>
#include <stdlib.h>

#include "gateway/base/cgroup.h"
#include "gateway/base/log.h"
#include "gateway/base/notify.h"
#include "gateway/control/drain.h"
#include "gateway/control/jwks.h"
#include "gateway/control/log_files.h"
#include "gateway/control/neighbours.h"
#include "gateway/control/reload.h"
#include "gateway/control/state.h"
#include "gateway/control/view.h"
#include "gateway/filter/passwords.h"
#include "gateway/filter/store.h"
#include "gateway/net/beacon.h"
#include "gateway/net/listener.h"
#include "gateway/net/own.h"
#include "gateway/net/reserve.h"
#include "gateway/net/timer.h"
#include "gateway/worker/loop.h"

/* ---- the beginning ------------------------------------------------------------------------------------------- */

static bool start_workers(struct control *control)
{
	const struct config *config = control->config;

	for (unsigned i = 0; i < control->worker_wanted; i++) {
		struct worker *worker = &control->workers[i];

		if (!loop_init(worker, i, &control->shared, control->config, control->listen_fds + i * config->listen_count)) {
			log_error("worker %u can't start: out of memory or file descriptors", i);
			return false;
		}
		control->shared.worker_count = ++control->worker_count;
	}
	/* Logs and endpoints first: a worker reads its inbox before its first client. */
	if (!log_files_send(control))
		return false;
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct discovery_view view = discovery_look(control->discovery, config->upstreams[i].upstream);

		if (view.set != NULL)
			control_send_endpoints(control, config->upstreams[i].upstream, view.set);
	}
	jwks_send_all(control);
	for (unsigned i = 0; i < control->worker_count; i++) {
		if (!loop_start(&control->workers[i])) {
			log_error("worker %u can't start: the system refuses another thread", i);
			return false;
		}
		control->workers_started++;
	}
	return true;
}

static void on_started(struct control *control)
{
	control->config = control->prepared;
	control->prepared = NULL;
	discovery_commit(control->discovery);
	neighbours_note_config(control);
	jwks_commit(control);
	sandbox_begin(&control->shared.sandbox, control->config);
	if (!reload_start_threads(control, control->config) || !start_workers(control)) {
		control->exit_status = 1;
		drain_stop(control);
		return;
	}
	control->state = CONTROL_SERVING;
	control->config_wall_ms = clock_wall_ms();
	sandbox_enter_control(&control->shared.sandbox, control->config);
	control->ready_ms = clock_now_ms();
	control_log_ready(control);
	notify_ready();
	if (control->must_reload_again) {
		control->must_reload_again = false;
		reload_begin(control);
	}
}

static void go_on_if_all_is_known(struct control *control)
{
	if (control->prepared == NULL || !control->names_are_known || !jwks_are_settled(control))
		return;
	if (control->state == CONTROL_STARTING && neighbours_are_heard(control))
		on_started(control);
	else if (control->state == CONTROL_SERVING)
		reload_take_prepared(control);
}

static void on_settled(void *context)
{
	go_on_if_all_is_known(context);
}

static void on_prepared(void *context)
{
	struct control *control = context;

	control->names_are_known = true;
	if (control->state == CONTROL_STARTING || control->state == CONTROL_SERVING) {
		go_on_if_all_is_known(control);
	} else { /* it is leaving */
		config_release(control->prepared);
		control->prepared = NULL;
	}
}

static void on_endpoints(void *context, struct upstream *upstream, struct endpoint_set *set, bool none_failed)
{
	const struct control *control = context;

	if (none_failed)
		atomic_store(&set->untold, control->worker_count);
	control_send_endpoints(context, upstream, set);
	neighbours_note_endpoints(context, upstream, set);
}

/* ---- what comes in ------------------------------------------------------------------------------------------- */

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct control *control = context;

	(void)what;
	switch ((int)number) {
	case SIGHUP:
		if (control->state == CONTROL_SERVING)
			reload_begin(control);
		else
			control->must_reload_again = control->state == CONTROL_STARTING;
		return;
	case SIGUSR1:
		if (control->config != NULL)
			log_files_send(control);
		return;
	default:
		if (control->state == CONTROL_SERVING)
			drain_begin(control, (int)number);
		else
			drain_stop(control);
		return;
	}
}

static void on_message(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;
	struct message *message = inbox_take(&control->shared.control), *next;

	(void)fd, (void)what;
	for (; message != NULL; message = next) {
		next = message->next;
		switch ((enum control_message)message->kind) {
		case CONTROL_RESOLVE:
			if (control->state != CONTROL_STOPPED)
				discovery_refresh(control->discovery, message->subject);
			upstream_release(message->subject);
			break;
		case CONTROL_TRANSITION:
			control_transition(control, message->subject, message->object);
			upstream_release(message->subject);
			free(message->object);
			break;
		case CONTROL_CALL:
			event_log_add_call(&control->events, ((struct upstream *)message->subject)->name, message->object);
			upstream_release(message->subject);
			free(message->object);
			break;
		case CONTROL_EJECTION:
			control_ejection(control, message->subject, message->object);
			break;
		case CONTROL_KEPT:
			control_take_kept(control, message->object);
			break;
		case CONTROL_KEYS:
			if (control->state == CONTROL_STOPPED)
				key_source_release(message->subject);
			else
				jwks_on_wanted(control, message->subject);
			break;
		case CONTROL_DRAINED:
			drain_on_drained(control, message->subject);
			break;
		}
		free(message);
	}
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

static bool open_admin(struct control *control, const struct config *config)
{
	char error[200];

	if (config->admin.family == 0)
		return true;
	control->admin = admin_new(control->base, &config->admin, &control->view, error, sizeof error);
	if (control->admin == NULL) {
		log_error("admin: %s", error);
		return false;
	}
	own_watch(config->admin.port);
	beacon_light(config->file, &config->admin); /* until the process ends */
	return true;
}

static bool watch_signals(struct control *control)
{
	static const int numbers[CONTROL_SIGNALS] = { SIGTERM, SIGINT, SIGHUP, SIGUSR1 };

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < CONTROL_SIGNALS; i++) {
		evsignal_assign(&control->signals[i], control->base, numbers[i], on_signal, control);
		if (event_add(&control->signals[i], NULL) != 0)
			return false;
	}
	return true;
}

static bool init(struct control *control, const struct config *config)
{
	static const struct discovery_events events = { .on_endpoints = on_endpoints, .on_peers = neighbours_on_peers,
		                                        .on_store = neighbours_on_store, .on_prepared = on_prepared,
		                                        .on_transition = control_on_transition };

	control->started_wall_ms = clock_wall_ms();
	control->worker_wanted = config->workers != 0 ? config->workers : cgroup_cpus();
	if (control->worker_wanted > QUEUE_LINES)
		control->worker_wanted = QUEUE_LINES;
	control->shared.capacity = capacity_find(&config->limits);
	control->shared.capacity.memory_bytes /= control->worker_wanted;
	reserve_begin();
	control->base = event_base_new();
	control->workers = calloc(control->worker_wanted, sizeof *control->workers);
	control->drained = calloc(control->worker_wanted, sizeof *control->drained);
	control->shared.workers = control->workers;
	worker_choose_name(&control->shared);
	if (control->base == NULL || control->workers == NULL || control->drained == NULL || !inbox_init(&control->shared.control) ||
	    !client_counts_init(&control->shared.client_counts, control->shared.capacity.connections) || !control_state_init(control) ||
	    !reload_note_beginning(control, config) || !log_files_init(control) || !watch_signals(control)) {
		log_error("can't start: out of memory or file descriptors");
		return false;
	}
	neighbours_name_itself(control);
	control->view = view_of(control);
	control->view.on_settled = on_settled;
	event_assign(&control->inbox_event, control->base, control->shared.control.descriptor, EV_READ | EV_PERSIST, on_message,
	             control);
	evtimer_assign(&control->drain_timer, control->base, drain_on_timer, control);
	evtimer_assign(&control->minute_timer, control->base, control_on_minute, control);
	control->discovery = discovery_new(control->base, &events, control);
	if (control->discovery == NULL || event_add(&control->inbox_event, NULL) != 0 ||
	    !timer_set(&control->minute_timer, METRICS_TURN_MS)) {
		log_error("can't start: out of memory");
		return false;
	}
	control->listen_fds = listener_bind(config->listen, config->listen_count, control->worker_wanted);
	return control->listen_fds != NULL && open_admin(control, config);
}

/* An event that was never assigned is left alone. */
static void delete_event(struct event *event)
{
	if (event_initialized(event))
		event_del(event);
}

/* libevent restores the default action of signals when it removes their events: a signal at that moment must not kill a
 * gateway that is ending well and is about to say so. */
static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void destroy(struct control *control)
{
	bool is_overdue = control->state == CONTROL_OVERDUE;

	block_signals();
	control->state = CONTROL_STOPPED; /* messages that come yet begin nothing */
	if (control->admin != NULL)
		admin_free(control->admin);
	control->admin = NULL;
	for (unsigned i = 0; i < control->worker_count; i++)
		while (!inbox_send(&control->workers[i].inbox, WORKER_STOP, NULL, NULL)) /* it is waited for */
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	for (unsigned i = 0; i < control->workers_started; i++)
		loop_join(&control->workers[i]);
	if (is_overdue)
		drain_tell_cut(control);
	passwords_stop();
	stores_leave(control->workers, control->worker_count);
	for (unsigned i = 0; i < control->worker_count; i++)
		loop_destroy(&control->workers[i]);
	if (control->discovery != NULL)
		on_message(-1, 0, control); /* while it knows the configuration */
	reload_forget(control);
	if (control->discovery != NULL)
		discovery_free(control->discovery);
	jwks_destroy(control);
	control_state_destroy(control);
	client_counts_destroy(&control->shared.client_counts);
	sandbox_end(&control->shared.sandbox);
	free(control->listen_fds);
	free(control->log_fds);
	free(control->workers);
	free(control->drained);
	if (control->base != NULL) {
		for (int i = 0; i < CONTROL_SIGNALS; i++)
			delete_event(&control->signals[i]);
		delete_event(&control->inbox_event);
		delete_event(&control->drain_timer);
		delete_event(&control->minute_timer);
		delete_event(&control->log_timer);
		event_base_free(control->base);
	}
	inbox_destroy(&control->shared.control);
}

int control_run(struct config *config)
{
	static struct control control;

	log_begin();
	log_set_level((enum log_level)config->log_level);
	if (!init(&control, config)) {
		config_release(config);
		control.exit_status = 1;
	} else if (!reload_prepare(&control, config)) {
		control.exit_status = 1;
	} else if (control.state != CONTROL_STOPPED) {
		event_base_dispatch(control.base);
	}
	destroy(&control);
	return control.exit_status;
}
