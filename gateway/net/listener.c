#include "gateway/net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/net/socket.h"
#include "gateway/net/timer.h"

static void complain(const struct address *address)
{
	int error = errno;
	char text[ADDRESS_TEXT_MAX];

	address_format(address, text);
	if (error == EACCES && address->port < 1024)
		log_error("can't listen on %s: %s: binding a port below 1024 needs a privilege; choose another "
		          "port (listen: 8080), or grant it with setcap cap_net_bind_service=+ep, or lower the limit "
		          "with sysctl net.ipv4.ip_unprivileged_port_start=%u",
		          text, strerror(error), address->port);
	else if (error == EADDRINUSE)
		log_error("can't listen on %s: %s: another program listens on this port", text, strerror(error));
	else
		log_error("can't listen on %s: %s%s", text, strerror(error),
		          error == EAFNOSUPPORT && address->family == 6 ? ": this kernel has no IPv6; listen on 0.0.0.0 instead" : "");
}

int *listener_bind(const struct address *list, size_t count, unsigned workers)
{
	int *fds = calloc(count * workers, sizeof *fds);
	bool may_repeat = true;

	if (fds == NULL)
		log_error("can't listen: out of memory");
	/* All addresses are checked before the first is bound: one list may have 0.0.0.0:80 and 127.0.0.1:80. */
	for (size_t i = 0; fds != NULL && i < count; i++) {
		if (!socket_is_free(&list[i])) {
			complain(&list[i]);
			free(fds);
			return NULL;
		}
	}
	for (size_t i = 0; fds != NULL && i < count * workers; i++) {
		fds[i] = i < count || may_repeat ? socket_listen(&list[i % count], &may_repeat)
		                                 : fcntl(fds[i % count], F_DUPFD_CLOEXEC, 0);
		if (fds[i] >= 0)
			continue;
		complain(&list[i % count]);
		while (i-- > 0)
			close(fds[i]);
		free(fds);
		return NULL;
	}
	if (fds != NULL && !may_repeat)
		log_warn("the kernel refuses SO_REUSEPORT: all workers share one listening socket");
	return fds;
}

void listener_pause(struct listener *listener, int error)
{
	if (listener->is_paused || listener->fd < 0)
		return;
	listener->is_paused = true;
	event_del(&listener->event);
	timer_set(&listener->pause_over, LISTENER_PAUSE_MS);
	listener->on_pause(listener, error);
}

/* Errors of the one connection that ended while it waited (accept(2)): the next may be fine. */
static bool is_passing_error(int error)
{
	return error == ECONNABORTED || error == EINTR || error == EPROTO || error == ENETDOWN || error == ENOPROTOOPT ||
	       error == EHOSTDOWN || error == ENONET || error == EHOSTUNREACH || error == EOPNOTSUPP || error == ENETUNREACH ||
	       error == EPERM;
}

/* True: there may be more connections. */
static bool accept_batch(struct listener *listener)
{
	for (unsigned i = 0; i < LISTENER_BATCH; i++) {
		struct sockaddr_storage storage;
		socklen_t size = sizeof storage;
		struct address peer;
		int fd, error;

		if (!listener->has_room(listener)) {
			listener_pause(listener, LISTENER_FULL);
			return false;
		}
		fd = accept4(listener->fd, (struct sockaddr *)&storage, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && is_passing_error(errno))
			continue;
		if (fd < 0) {
			error = errno;
			if ((error == EMFILE || error == ENFILE) && listener->make_room(listener))
				continue;
			if (error != EAGAIN)
				listener_pause(listener, error);
			return false;
		}
		if (listener->is_finishing)
			socket_take_packets(fd);
		socket_address_from(&peer, &storage);
		error = listener->on_accept(listener, fd, &peer);
		if (error != 0)
			listener_pause(listener, error);
		if (listener->is_paused)
			return false;
	}
	return true;
}

static void on_acceptable(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	accept_batch(context);
}

static void on_pause_over(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	listener_wake(context);
}

bool listener_open(struct listener *listener, struct event_base *base, int fd, const struct address *address)
{
	listener->fd = fd;
	listener->address = *address;
	listener->is_paused = listener->is_finishing = false;
	event_assign(&listener->event, base, fd, EV_READ | EV_PERSIST, on_acceptable, listener);
	evtimer_assign(&listener->pause_over, base, on_pause_over, listener);
	return event_add(&listener->event, NULL) == 0;
}

void listener_wake(struct listener *listener)
{
	if (!listener->is_paused || listener->fd < 0)
		return;
	event_del(&listener->pause_over);
	listener->is_paused = event_add(&listener->event, NULL) < 0;
	if (listener->is_paused)
		timer_set(&listener->pause_over, LISTENER_PAUSE_MS);
}

void listener_finish(struct listener *listener)
{
	if (listener->fd < 0 || listener->is_finishing)
		return;
	listener->is_finishing = true;
	socket_drop_packets(listener->fd, &listener->address);
}

void listener_close(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	listener_finish(listener);
	while (accept_batch(listener))
		continue;
	event_del(&listener->event);
	event_del(&listener->pause_over);
	close(listener->fd);
	listener->fd = -1;
}
