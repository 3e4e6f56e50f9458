#include "gateway/net/listener.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/net/socket.h"

static void complain(const struct address *address)
{
	const char *reason = strerror(errno);
	char text[ADDRESS_TEXT_MAX];

	address_format(address, text);
	log_error("can't listen on %s: %s", text, reason);
}

int *listener_bind(const struct address *list, size_t count, unsigned workers)
{
	int *fds = calloc(count * workers, sizeof *fds);

	if (fds == NULL)
		log_error("can't listen: memory is short");
	/* All before the first is taken: one list may have 0.0.0.0:80 and 127.0.0.1:80. */
	for (size_t i = 0; fds != NULL && i < count; i++) {
		if (!socket_is_free(&list[i])) {
			complain(&list[i]);
			free(fds);
			return NULL;
		}
	}
	for (size_t i = 0; fds != NULL && i < count * workers; i++) {
		fds[i] = socket_listen(&list[i % count]);
		if (fds[i] >= 0)
			continue;
		complain(&list[i % count]);
		while (i-- > 0)
			close(fds[i]);
		free(fds);
		return NULL;
	}
	return fds;
}

void listener_rest(struct listener *listener, int error)
{
	if (listener->is_resting || listener->fd < 0)
		return;
	listener->is_resting = true;
	event_del(&listener->event);
	event_add(&listener->rest_over, &(struct timeval){ .tv_usec = LISTENER_REST_MS * 1000L });
	listener->on_rest(listener, error);
}

/* Errors of the one connection that went away while it waited (accept(2)): the next may be fine. */
static bool is_passing_error(int error)
{
	return error == ECONNABORTED || error == EINTR || error == EPROTO || error == ENETDOWN || error == ENOPROTOOPT ||
	       error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH || error == EOPNOTSUPP || error == ENETUNREACH ||
	       error == EPERM;
}

/* True: there may be more. */
static bool accept_batch(struct listener *listener)
{
	for (unsigned i = 0; i < LISTENER_BATCH; i++) {
		struct sockaddr_storage storage;
		socklen_t size = sizeof storage;
		struct address peer;
		int fd;

		if (!listener->has_room(listener)) {
			listener_rest(listener, 0);
			return false;
		}
		fd = accept4(listener->fd, (struct sockaddr *)&storage, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && is_passing_error(errno))
			continue;
		if (fd < 0) {
			int error = errno;

			if ((error == EMFILE || error == ENFILE) && listener->make_room(listener))
				continue;
			if (error != EAGAIN)
				listener_rest(listener, error);
			return false;
		}
		socket_address_from(&peer, &storage);
		if (!listener->on_accept(listener, fd, &peer))
			listener_rest(listener, 0);
		if (listener->is_resting)
			return false;
	}
	return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	accept_batch(context);
}

static void on_rest_over(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	listener_wake(context);
}

bool listener_open(struct listener *listener, struct event_base *base, int fd, const struct address *address)
{
	listener->fd = fd;
	listener->address = *address;
	listener->is_resting = false;
	event_assign(&listener->event, base, fd, EV_READ | EV_PERSIST, on_acceptable, listener);
	evtimer_assign(&listener->rest_over, base, on_rest_over, listener);
	return event_add(&listener->event, NULL) == 0;
}

void listener_wake(struct listener *listener)
{
	if (!listener->is_resting || listener->fd < 0)
		return;
	event_del(&listener->rest_over);
	listener->is_resting = event_add(&listener->event, NULL) < 0;
	if (listener->is_resting)
		event_add(&listener->rest_over, &(struct timeval){ .tv_usec = LISTENER_REST_MS * 1000L });
}

void listener_close(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	while (accept_batch(listener))
		continue;
	event_del(&listener->event);
	event_del(&listener->rest_over);
	close(listener->fd);
	listener->fd = -1;
}
