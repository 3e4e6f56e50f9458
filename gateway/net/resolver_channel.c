/*
 * c-ares tries each server once: it would try again at once after a SERVFAIL, and how often a server is asked is for whoever
 * asks to decide.
 */
#include "gateway/net/resolver_channel.h"

#include <ares.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct watch { /* one of c-ares' sockets */
	struct watch *next;
	struct channel *channel;
	ares_socket_t fd;
	struct event event;
};

/* ---- c-ares' sockets and clock ------------------------------------------------------------------------------- */

void channel_set_timer(struct channel *channel)
{
	struct timeval wait, *next = ares_timeout(channel->ares, NULL, &wait);

	if (next != NULL)
		event_add(&channel->timer, next);
	else
		event_del(&channel->timer);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct channel *channel = context;

	(void)fd, (void)what;
	ares_process_fd(channel->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	channel_set_timer(channel);
}

static void on_socket(evutil_socket_t fd, short what, void *context)
{
	struct channel *channel = ((struct watch *)context)->channel;

	ares_process_fd(channel->ares, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	channel_set_timer(channel);
}

static void forget(struct channel *channel, ares_socket_t fd)
{
	for (struct watch **link = &channel->watches; *link != NULL; link = &(*link)->next) {
		struct watch *watch = *link;

		if (watch->fd != fd)
			continue;
		*link = watch->next;
		event_del(&watch->event);
		free(watch);
		return;
	}
}

/* Without memory the socket is not watched: its query then ends by its timeout. */
static void on_socket_state(void *context, ares_socket_t fd, int readable, int writable)
{
	struct channel *channel = context;
	struct watch *watch;

	forget(channel, fd);
	if (!readable && !writable)
		return;
	watch = calloc(1, sizeof *watch);
	if (watch == NULL)
		return;
	watch->channel = channel;
	watch->fd = fd;
	event_assign(&watch->event, channel->base, fd, (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST),
	             on_socket, watch);
	event_add(&watch->event, NULL);
	watch->next = channel->watches;
	channel->watches = watch;
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

static bool set_servers(struct channel *channel, const struct resolver_settings *settings)
{
	size_t size = settings->server_count * (ADDRESS_TEXT_MAX + 1) + 1, used = 0;
	char *list = malloc(size);
	int status;

	if (list == NULL)
		return false;
	for (size_t i = 0; i < settings->server_count; i++) {
		if (i > 0)
			list[used++] = ',';
		used += address_format(&settings->servers[i], list + used);
	}
	list[used] = '\0';
	status = settings->server_count == 0 ? ARES_SUCCESS : ares_set_servers_ports_csv(channel->ares, list);
	free(list);
	return status == ARES_SUCCESS;
}

bool channel_init(struct channel *channel, struct event_base *base, const struct resolver_settings *settings, char *error,
                  size_t size)
{
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = (int)settings->timeout_ms,
		.tries = 1,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = channel,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB, status;

#ifdef ARES_OPT_QUERY_CACHE /* since 1.31: would answer for as long as swarm's meaningless TTL says */
	mask |= ARES_OPT_QUERY_CACHE;
	options.qcache_max_ttl = 0;
#endif
	*channel = (struct channel){ .base = base, .timeout_ms = settings->timeout_ms };
	evtimer_assign(&channel->timer, base, on_timer, channel);
	status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&channel->ares, &options, mask);
	if (status != ARES_SUCCESS) {
		snprintf(error, size, "DNS can't be set up: %s", ares_strerror(status));
		return false;
	}
	if (!set_servers(channel, settings)) {
		snprintf(error, size, "dns.servers can't be used");
		channel_destroy(channel);
		return false;
	}
	return true;
}

static bool is_same_server(const struct ares_addr_port_node *a, const struct ares_addr_port_node *b)
{
	return a->family == b->family && a->udp_port == b->udp_port && a->tcp_port == b->tcp_port &&
	       memcmp(&a->addr, &b->addr, a->family == AF_INET ? 4 : 16) == 0;
}

bool channel_equals(const struct channel *a, const struct channel *b)
{
	struct ares_addr_port_node *servers_a = NULL, *servers_b = NULL, *at_a, *at_b;
	bool is_known = ares_get_servers_ports(a->ares, &servers_a) == ARES_SUCCESS &&
	                ares_get_servers_ports(b->ares, &servers_b) == ARES_SUCCESS;

	for (at_a = servers_a, at_b = servers_b; at_a != NULL && at_b != NULL && is_same_server(at_a, at_b);
	     at_a = at_a->next, at_b = at_b->next)
		continue;
	ares_free_data(servers_a);
	ares_free_data(servers_b);
	return is_known && at_a == NULL && at_b == NULL && a->timeout_ms == b->timeout_ms;
}

void channel_destroy(struct channel *channel)
{
	ares_destroy(channel->ares);
	event_del(&channel->timer);
	while (channel->watches != NULL)
		forget(channel, channel->watches->fd);
	ares_library_cleanup();
}
