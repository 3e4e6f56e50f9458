/*
 * c-ares tries each server once. Otherwise it would try again immediately after a SERVFAIL; the caller of the resolver
 * decides how often to ask a server.
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
	event_assign(&watch->event, channel->channels->base, fd,
	             (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST), on_socket, watch);
	event_add(&watch->event, NULL);
	watch->next = channel->watches;
	channel->watches = watch;
}

/* ---- one channel --------------------------------------------------------------------------------------------- */

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

static bool open_channel(struct channel *channel, const struct resolver_settings *settings, char *error, size_t size)
{
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | (channel->is_tcp ? ARES_FLAG_USEVC : ARES_FLAG_IGNTC),
		.timeout = (int)settings->timeout_ms,
		.tries = 1,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = channel,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB, status;

#ifdef ARES_OPT_QUERY_CACHE /* since 1.31: c-ares would answer from it for as long as swarm's meaningless TTL says */
	mask |= ARES_OPT_QUERY_CACHE;
	options.qcache_max_ttl = 0;
#endif
	status = ares_init_options(&channel->ares, &options, mask);
	if (status != ARES_SUCCESS) {
		snprintf(error, size, "DNS can't be set up: %s", ares_strerror(status));
		return false;
	}
	if (set_servers(channel, settings))
		return true;
	snprintf(error, size, "dns.servers can't be used");
	ares_destroy(channel->ares);
	return false;
}

static struct channel *add_channel(struct channels *channels, bool is_tcp, char *error, size_t size)
{
	struct channel *channel = calloc(1, sizeof *channel);

	if (channel == NULL) {
		snprintf(error, size, "out of memory");
		return NULL;
	}
	channel->channels = channels;
	channel->is_tcp = is_tcp;
	evtimer_assign(&channel->timer, channels->base, on_timer, channel);
	if (!open_channel(channel, &channels->settings, error, size)) {
		free(channel);
		return NULL;
	}
	channel->next = channels->list;
	channels->list = channel;
	return channel;
}

static void free_channel(struct channel *channel)
{
	ares_destroy(channel->ares);
	event_del(&channel->timer);
	while (channel->watches != NULL)
		forget(channel, channel->watches->fd);
	free(channel);
}

/* ---- all of them --------------------------------------------------------------------------------------------- */

static struct channel *newest(const struct channels *channels, bool is_tcp)
{
	struct channel *channel = channels->list;

	while (channel != NULL && channel->is_tcp != is_tcp)
		channel = channel->next;
	return channel;
}

static void on_sweep(evutil_socket_t fd, short what, void *context)
{
	struct channels *channels = context;
	struct channel **link = &channels->list;

	(void)fd, (void)what;
	while (*link != NULL) {
		struct channel *channel = *link;

		if (channel->pending > 0 || channel == newest(channels, channel->is_tcp)) {
			link = &channel->next;
			continue;
		}
		*link = channel->next;
		free_channel(channel);
	}
}

struct channel *channels_use(struct channels *channels, bool is_tcp)
{
	struct channel *channel = newest(channels, is_tcp);
	char error[100];

	if (channel == NULL)
		channel = add_channel(channels, is_tcp, error, sizeof error);
	if (channel != NULL)
		channel->pending++;
	return channel;
}

/* Without memory for another one, the channel stays in use. */
void channel_leave(struct channel *channel, bool has_timed_out)
{
	struct channels *channels = channel->channels;
	char error[100];

	if (has_timed_out && channel == newest(channels, channel->is_tcp))
		add_channel(channels, channel->is_tcp, error, sizeof error);
	if (--channel->pending == 0 && channel != newest(channels, channel->is_tcp))
		event_add(&channels->sweep, &(struct timeval){ .tv_sec = 0 });
}

static bool copy_settings(struct channels *channels, const struct resolver_settings *settings)
{
	struct address *servers = malloc((settings->server_count + 1) * sizeof *servers);

	if (servers == NULL)
		return false;
	for (size_t i = 0; i < settings->server_count; i++)
		servers[i] = settings->servers[i];
	channels->settings = *settings;
	channels->settings.servers = servers;
	return true;
}

bool channels_init(struct channels *channels, struct event_base *base, const struct resolver_settings *settings, char *error,
                   size_t size)
{
	*channels = (struct channels){ .base = base };
	evtimer_assign(&channels->sweep, base, on_sweep, channels);
	if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS || !copy_settings(channels, settings)) {
		snprintf(error, size, "DNS can't be set up: out of memory");
		return false;
	}
	if (add_channel(channels, false, error, size) != NULL)
		return true;
	channels_destroy(channels);
	return false;
}

void channels_destroy(struct channels *channels)
{
	struct channel *channel, *next;

	for (channel = channels->list; channel != NULL; channel = next) {
		next = channel->next;
		ares_cancel(channel->ares); /* its queries may still look at the list */
	}
	for (channel = channels->list; channel != NULL; channel = next) {
		next = channel->next;
		free_channel(channel);
	}
	event_del(&channels->sweep);
	free((struct address *)channels->settings.servers);
	ares_library_cleanup();
}

#if ARES_VERSION >= 0x011800 /* 1.24 */

static bool have_same_servers(const struct channel *a, const struct channel *b)
{
	char *servers_a = ares_get_servers_csv(a->ares), *servers_b = ares_get_servers_csv(b->ares);
	bool is_same = servers_a != NULL && servers_b != NULL && strcmp(servers_a, servers_b) == 0;

	ares_free_string(servers_a);
	ares_free_string(servers_b);
	return is_same;
}

#else

static bool is_same_server(const struct ares_addr_port_node *a, const struct ares_addr_port_node *b)
{
	return a->family == b->family && a->udp_port == b->udp_port && a->tcp_port == b->tcp_port &&
	       memcmp(&a->addr, &b->addr, a->family == AF_INET ? 4 : 16) == 0;
}

static bool have_same_servers(const struct channel *a, const struct channel *b)
{
	struct ares_addr_port_node *servers_a = NULL, *servers_b = NULL, *at_a, *at_b;
	bool is_known = ares_get_servers_ports(a->ares, &servers_a) == ARES_SUCCESS &&
	                ares_get_servers_ports(b->ares, &servers_b) == ARES_SUCCESS;

	for (at_a = servers_a, at_b = servers_b; at_a != NULL && at_b != NULL && is_same_server(at_a, at_b);
	     at_a = at_a->next, at_b = at_b->next)
		continue;
	ares_free_data(servers_a);
	ares_free_data(servers_b);
	return is_known && at_a == NULL && at_b == NULL;
}

#endif

bool channels_equal(const struct channels *a, const struct channels *b)
{
	return have_same_servers(newest(a, false), newest(b, false)) && a->settings.timeout_ms == b->settings.timeout_ms;
}
