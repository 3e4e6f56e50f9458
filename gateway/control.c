#include "gateway/control.h"

#include <signal.h>
#include <stdlib.h>

#include "gateway/base/cgroup.h"
#include "gateway/base/log.h"
#include "gateway/base/notify.h"
#include "gateway/control_state.h"
#include "gateway/net/beacon.h"
#include "gateway/net/listener.h"
#include "gateway/net/reserve.h"

static void stop(struct control *control);

/* ---- a timer, and all workers --------------------------------------------------------------------------------- */

static void set_timer(struct event *timer, uint32_t wait_ms)
{
	event_add(timer, &(struct timeval){ .tv_sec = wait_ms / 1000, .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000 });
}

static void tell_workers(struct control *control, enum worker_message kind)
{
	for (unsigned i = 0; i < control->worker_count; i++)
		if (!inbox_send(&control->workers[i].inbox, kind, NULL, NULL))
			log_error("memory is short: worker %u was not told", i);
}

/* ---- the end ------------------------------------------------------------------------------------------------- */

static void drain(struct control *control)
{
	control->state = CONTROL_DRAINING;
	tell_workers(control, WORKER_DRAIN);
	set_timer(&control->drain_timer, control->config->drain_timeout_ms);
}

static void leave(struct control *control, int signal_number)
{
	control->state = CONTROL_LEAVING;
	log_info("%s: draining; again to end at once", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
	notify_stopping();
	if (control->config->drain_delay_ms == 0) {
		drain(control);
	} else {
		tell_workers(control, WORKER_LEAVE);
		set_timer(&control->drain_timer, control->config->drain_delay_ms);
	}
}

static void on_drain_timer(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;

	(void)fd, (void)what;
	if (control->state == CONTROL_LEAVING) {
		drain(control);
		return;
	}
	log_warn("drain.timeout is over: what is still under way is cut");
	stop(control);
}

static void on_drained(struct control *control, const struct worker *worker)
{
	control->drained[worker->index] = true;
	for (unsigned i = 0; i < control->worker_count; i++)
		if (!control->drained[i])
			return;
	if (control->state != CONTROL_DRAINING)
		return;
	log_info("drained");
	stop(control);
}

static void stop(struct control *control)
{
	control->state = CONTROL_STOPPED;
	event_base_loopbreak(control->base);
}

/* ---- the beginning ------------------------------------------------------------------------------------------- */

static void log_ready(const struct control *control)
{
	const struct config *config = control->config;
	char list[512];
	size_t used = 0;

	list[0] = '\0';
	for (size_t i = 0; i < config->listen_count && used + ADDRESS_TEXT_MAX + 4 < sizeof list; i++) {
		char text[ADDRESS_TEXT_MAX];

		address_format(&config->listen[i], text);
		used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i == 0 ? "" : ", ", text);
	}
	if (config->admin.family != 0) {
		char text[ADDRESS_TEXT_MAX];

		address_format(&config->admin, text);
		snprintf(list + used, sizeof list - used, "; admin on %s", text);
	}
	log_always("ready: listening on %s; %u worker%s, gateway " GATEWAY_VERSION, list, control->worker_count,
	         control->worker_count == 1 ? "" : "s");
}

static bool start_workers(struct control *control)
{
	const struct config *config = control->config;

	for (unsigned i = 0; i < control->worker_wanted; i++) {
		struct worker *worker = &control->workers[i];

		if (!worker_init(worker, i, &control->shared, control->config, control->listen_fds + i * config->listen_count)) {
			log_error("worker %u can't start: memory or descriptors are short", i);
			return false;
		}
		control->worker_count++;
	}
	/* Logs and endpoints first: a worker reads its inbox before its first client. */
	if (!control_send_logs(control))
		return false;
	for (size_t i = 0; i < config->upstream_count; i++) {
		struct discovery_view view = discovery_look(control->discovery, config->upstreams[i].upstream);

		if (view.set != NULL)
			control_send_endpoints(control, config->upstreams[i].upstream, view.set);
	}
	for (unsigned i = 0; i < control->worker_count; i++) {
		if (!worker_start(&control->workers[i])) {
			log_error("worker %u can't start: no thread", i);
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
	sandbox_begin(&control->shared.sandbox, control->config);
	if (!start_workers(control)) {
		control->exit_status = 1;
		stop(control);
		return;
	}
	control->state = CONTROL_SERVING;
	control->config_wall_ms = clock_wall_ms();
	sandbox_enter_control(&control->shared.sandbox, control->config);
	control->ready_ms = clock_now_ms();
	log_ready(control);
	notify_ready();
	if (control->must_reload_again) {
		control->must_reload_again = false;
		control_reload(control);
	}
}

static void on_prepared(void *context)
{
	struct control *control = context;

	if (control->state == CONTROL_STARTING)
		on_started(control);
	else if (control->state == CONTROL_SERVING)
		control_take_prepared(control);
	else { /* it is leaving */
		config_release(control->prepared);
		control->prepared = NULL;
	}
}

static void on_endpoints(void *context, struct upstream *upstream, struct endpoint_set *set)
{
	control_send_endpoints(context, upstream, set);
}

/* ---- what comes in ------------------------------------------------------------------------------------------- */

static void on_signal(evutil_socket_t number, short what, void *context)
{
	struct control *control = context;

	(void)what;
	switch ((int)number) {
	case SIGHUP:
		if (control->state == CONTROL_SERVING)
			control_reload(control);
		else
			control->must_reload_again = control->state == CONTROL_STARTING;
		return;
	case SIGUSR1:
		if (control->config != NULL)
			control_send_logs(control);
		return;
	default:
		if (control->state == CONTROL_SERVING)
			leave(control, (int)number);
		else
			stop(control);
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
			discovery_refresh(control->discovery, message->subject);
			upstream_release(message->subject);
			break;
		case CONTROL_TRANSITION:
			control_transition(control, message->subject, message->object);
			upstream_release(message->subject);
			free(message->object);
			break;
		case CONTROL_DRAINED:
			on_drained(control, message->subject);
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
	beacon_light(config->file, &config->admin); /* until the process ends; without it the file says where */
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

/* Any thread. A report that finds no memory is lost to the log; the breaker itself has changed all the same. */
static void on_transition(void *context, struct upstream *upstream, const struct breaker_transition *transition)
{
	struct control *control = context;
	struct breaker_transition *copy = malloc(sizeof *copy);

	if (copy == NULL)
		return;
	*copy = *transition;
	if (!inbox_send(&control->shared.control, CONTROL_TRANSITION, upstream_reference(upstream), copy)) {
		upstream_release(upstream);
		free(copy);
	}
}

static bool init(struct control *control, const struct config *config)
{
	static const struct discovery_events events = { .on_endpoints = on_endpoints, .on_prepared = on_prepared,
		                                        .on_transition = on_transition };

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
	if (control->base == NULL || control->workers == NULL || control->drained == NULL || !inbox_init(&control->shared.control) ||
	    !crowd_init(&control->shared.crowd, control->shared.capacity.connections) || !control_state_init(control) ||
	    !control_note_beginning(control, config) || !watch_signals(control)) {
		log_error("can't start: memory or descriptors are short");
		return false;
	}
	event_assign(&control->inbox_event, control->base, control->shared.control.descriptor, EV_READ | EV_PERSIST, on_message,
	             control);
	evtimer_assign(&control->drain_timer, control->base, on_drain_timer, control);
	control->discovery = discovery_new(control->base, &events, control);
	if (control->discovery == NULL || event_add(&control->inbox_event, NULL) != 0) {
		log_error("can't start: memory is short");
		return false;
	}
	control->listen_fds = listener_bind(config->listen, config->listen_count, control->worker_wanted);
	return control->listen_fds != NULL && open_admin(control, config);
}

/* One that the beginning never came to is left alone. */
static void delete_event(struct event *event)
{
	if (event_initialized(event))
		event_del(event);
}

/* libevent gives signals their default meaning back when it lets go of them: one that comes then must not kill a gateway that
 * is ending well, and have it say so. */
static void block_signals(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, NULL);
}

static void destroy(struct control *control)
{
	block_signals();
	if (control->admin != NULL)
		admin_free(control->admin);
	for (unsigned i = 0; i < control->worker_count; i++)
		while (!inbox_send(&control->workers[i].inbox, WORKER_STOP, NULL, NULL)) /* it is waited for */
			nanosleep(&(struct timespec){ .tv_nsec = 1000000 }, NULL);
	for (unsigned i = 0; i < control->workers_started; i++)
		worker_join(&control->workers[i]);
	for (unsigned i = 0; i < control->worker_count; i++)
		worker_destroy(&control->workers[i]);
	if (control->config != NULL)
		config_release(control->config);
	if (control->prepared != NULL)
		config_release(control->prepared);
	if (control->discovery != NULL) {
		on_message(-1, 0, control);
		discovery_free(control->discovery);
	}
	control_state_destroy(control);
	crowd_destroy(&control->shared.crowd);
	sandbox_end(&control->shared.sandbox);
	free(control->listen_fds);
	free(control->workers);
	free(control->drained);
	if (control->base != NULL) {
		for (int i = 0; i < CONTROL_SIGNALS; i++)
			delete_event(&control->signals[i]);
		delete_event(&control->inbox_event);
		delete_event(&control->drain_timer);
		event_base_free(control->base);
	}
	inbox_destroy(&control->shared.control);
}

int control_run(struct config *config)
{
	static struct control control;

	log_begin();
	log_set_level((enum log_level)config->log_level);
	control.exit_status = 0;
	if (!init(&control, config)) {
		config_release(config);
		control.exit_status = 1;
	} else if (!control_prepare(&control, config)) {
		control.exit_status = 1;
	} else if (control.state != CONTROL_STOPPED) {
		event_base_dispatch(control.base);
	}
	destroy(&control);
	return control.exit_status;
}
