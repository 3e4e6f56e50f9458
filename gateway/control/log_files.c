/*
 * The access log's descriptors: one for each worker. The control thread opens them, because workers may open nothing.
 *
 * It opens all of them before it hands over the first. If descriptors are short when a log is rotated, all workers keep the
 * old file and a timer tries again. Otherwise some workers would go on writing to a file that logrotate is about to delete.
 */
#include "gateway/control/log_files.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/net/timer.h"

enum { TRY_AGAIN_MS = 1000 };

static bool open_all(struct control *control)
{
	for (unsigned i = 0; i < control->worker_count; i++) {
		int error;

		control->log_fds[i] = access_log_open(control->config);
		error = errno;
		if (control->log_fds[i] >= 0 || error == 0)
			continue;
		while (i-- > 0)
			close(control->log_fds[i]);
		errno = error;
		return false;
	}
	return true;
}

/* False: some worker got no message and keeps its descriptor. */
static bool hand_over(struct control *control)
{
	bool are_told = true;

	for (unsigned i = 0; i < control->worker_count; i++) {
		if (inbox_send(&control->workers[i].inbox, WORKER_LOG, (void *)((intptr_t)control->log_fds[i] + 1), NULL))
			continue;
		are_told = false;
		if (control->log_fds[i] >= 0)
			close(control->log_fds[i]);
	}
	return are_told;
}

/* Once, not with every try. */
static void complain(const struct control *control, int error)
{
	if (!control->has_old_log)
		log_error("access log: can't open %s: %s%s", access_log_name(control->config), strerror(error),
		          error == EACCES && control->beginning.sandbox
		                  ? " (with the sandbox on, files in new directories need a restart)"
		                  : "");
}

static void on_try_again(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	log_files_send(context);
}

bool log_files_send(struct control *control)
{
	bool are_sent = false;

	if (!open_all(control)) {
		complain(control, errno);
	} else if (!hand_over(control)) {
		complain(control, ENOMEM);
	} else {
		are_sent = true;
		if (control->has_old_log)
			log_info("access log: %s is open", access_log_name(control->config));
	}
	control->has_old_log = !are_sent;
	if (are_sent)
		event_del(&control->log_timer);
	else
		timer_set(&control->log_timer, TRY_AGAIN_MS);
	return are_sent;
}

bool log_files_init(struct control *control)
{
	control->log_fds = calloc(control->worker_wanted, sizeof *control->log_fds);
	evtimer_assign(&control->log_timer, control->base, on_try_again, control);
	return control->log_fds != NULL;
}
