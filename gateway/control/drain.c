#include "gateway/control/drain.h"

#include <inttypes.h>
#include <signal.h>

#include "gateway/base/log.h"
#include "gateway/base/notify.h"
#include "gateway/net/timer.h"

static void tell_workers(struct control *control, enum worker_message kind)
{
	for (unsigned i = 0; i < control->worker_count; i++)
		if (!inbox_send(&control->workers[i].inbox, kind, NULL, NULL))
			log_error("out of memory: worker %u was not told", i);
}

static void drain(struct control *control)
{
	control->state = CONTROL_DRAINING;
	tell_workers(control, WORKER_DRAIN);
	timer_set(&control->drain_timer, control->config->drain_timeout_ms);
}

/* At the end of drain.delay no new connection begins for so long, while the handshakes under way come to their end. */
enum { FINISH_MS = 50 };

static uint32_t finish_ms(const struct control *control)
{
	uint32_t delay_ms = control->config->drain_delay_ms;

	return delay_ms < 2 * FINISH_MS ? delay_ms / 2 : FINISH_MS;
}

static void finish(struct control *control)
{
	control->state = CONTROL_FINISHING;
	tell_workers(control, WORKER_FINISH);
	timer_set(&control->drain_timer, finish_ms(control));
}

void drain_begin(struct control *control, int signal_number)
{
	control->state = CONTROL_LEAVING;
	log_info("%s: draining; send it again to stop at once", signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
	notify_stopping();
	if (control->config->drain_delay_ms == 0) {
		drain(control);
	} else {
		tell_workers(control, WORKER_LEAVE);
		timer_set(&control->drain_timer, control->config->drain_delay_ms - finish_ms(control));
	}
}

void drain_on_timer(evutil_socket_t fd, short what, void *context)
{
	struct control *control = context;

	(void)fd, (void)what;
	if (control->state == CONTROL_LEAVING) {
		finish(control);
		return;
	}
	if (control->state == CONTROL_FINISHING) {
		drain(control);
		return;
	}
	control->state = CONTROL_OVERDUE;
	event_base_loopbreak(control->base);
}

static uint64_t count_cut(const struct control *control)
{
	uint64_t count = 0;

	for (size_t i = 0; i < control->route_count; i++)
		count += metrics_sum_outcome(control->routes[i].metrics, OUTCOME_DRAINED);
	return count;
}

void drain_tell_cut(const struct control *control)
{
	uint64_t count = count_cut(control);

	if (count == 0)
		log_info("drain.timeout is over: the gateway closed the idle connections; no request was in flight");
	else
		log_warn("drain.timeout is over: the gateway cut %" PRIu64 " request%s that %s still in flight", count,
		         count == 1 ? "" : "s", count == 1 ? "was" : "were");
}

void drain_on_drained(struct control *control, const struct worker *worker)
{
	control->drained[worker->index] = true;
	for (unsigned i = 0; i < control->worker_count; i++)
		if (!control->drained[i])
			return;
	if (control->state != CONTROL_DRAINING)
		return;
	log_info("drained");
	drain_stop(control);
}

void drain_stop(struct control *control)
{
	control->state = CONTROL_STOPPED;
	event_base_loopbreak(control->base);
}
