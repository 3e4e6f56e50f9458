/*
 * One channel of c-ares; libevent watches its sockets and its clock. A question is two queries, A and AAAA; when both have
 * ended the answer is handed over from a timer of its own, so the caller never hears back before resolver_ask() returned, and
 * may do whatever it likes with the resolver, even free it.
 *
 * ares_query() asks for the name as it stands: no search domains, no hosts file, whose answers would hide a service.
 */
#include "gateway/net/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/base/clock.h"

enum { ADDRESSES_MAX = 512 }; /* a name with more is cut: an answer over TCP may hold thousands */

struct watch { /* one of c-ares' sockets */
	struct watch *next;
	struct resolver *resolver;
	ares_socket_t fd;
	struct event event;
};

struct resolver {
	struct event_base *base;
	ares_channel channel;
	struct event timer;
	struct watch *watches;
	struct resolver_query *queries;
};

struct resolver_query {
	struct resolver_query *next;
	struct resolver *resolver;
	resolver_on_answer *on_answer; /* NULL: called off */
	void *context;
	struct event hand_over;
	unsigned pending; /* of the two queries */
	bool has_no_name, has_failed;
	const char *error;
	uint64_t asked_ms;
	struct address *addresses;
	size_t count;
};

/* ---- c-ares' sockets and clock ------------------------------------------------------------------------------- */

static void set_timer(struct resolver *resolver)
{
	struct timeval wait, *next = ares_timeout(resolver->channel, NULL, &wait);

	if (next != NULL)
		event_add(&resolver->timer, next);
	else
		event_del(&resolver->timer);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	struct resolver *resolver = context;

	(void)fd, (void)what;
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(resolver);
}

static void on_socket(evutil_socket_t fd, short what, void *context)
{
	struct resolver *resolver = ((struct watch *)context)->resolver;

	ares_process_fd(resolver->channel, what & EV_READ ? fd : ARES_SOCKET_BAD, what & EV_WRITE ? fd : ARES_SOCKET_BAD);
	set_timer(resolver);
}

static void forget(struct resolver *resolver, ares_socket_t fd)
{
	for (struct watch **link = &resolver->watches; *link != NULL; link = &(*link)->next) {
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
	struct resolver *resolver = context;
	struct watch *watch;

	forget(resolver, fd);
	if (!readable && !writable)
		return;
	watch = calloc(1, sizeof *watch);
	if (watch == NULL)
		return;
	watch->resolver = resolver;
	watch->fd = fd;
	event_assign(&watch->event, resolver->base, fd, (short)((readable ? EV_READ : 0) | (writable ? EV_WRITE : 0) | EV_PERSIST),
	             on_socket, watch);
	event_add(&watch->event, NULL);
	watch->next = resolver->watches;
	resolver->watches = watch;
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static void free_query(struct resolver_query *query)
{
	struct resolver_query **link = &query->resolver->queries;

	while (*link != query)
		link = &(*link)->next;
	*link = query->next;
	event_del(&query->hand_over);
	free(query->addresses);
	free(query);
}

static int compare(const void *a, const void *b)
{
	const struct address *left = a, *right = b;

	if (left->family != right->family)
		return left->family < right->family ? -1 : 1;
	return memcmp(left->ip, right->ip, sizeof left->ip);
}

static void sort_and_unify(struct resolver_query *query)
{
	size_t kept = 0;

	if (query->count == 0)
		return;
	qsort(query->addresses, query->count, sizeof *query->addresses, compare);
	for (size_t i = 1; i < query->count; i++)
		if (compare(&query->addresses[kept], &query->addresses[i]) != 0)
			query->addresses[++kept] = query->addresses[i];
	query->count = kept + 1;
}

static void on_hand_over(evutil_socket_t fd, short what, void *context)
{
	struct resolver_query *query = context;
	resolver_on_answer *on_answer = query->on_answer;
	void *asker = query->context;
	struct address *addresses = query->addresses;
	struct resolver_answer answer = { .verdict = RESOLVER_FAILURE, .addresses = addresses, .error = query->error };

	(void)fd, (void)what;
	sort_and_unify(query);
	answer.count = query->count;
	answer.took_ms = (uint32_t)(clock_now_ms() - query->asked_ms);
	if (query->count > 0)
		answer.verdict = RESOLVER_ANSWER;
	else if (query->has_no_name || !query->has_failed)
		answer.verdict = RESOLVER_NO_NAME;
	if (answer.verdict == RESOLVER_ANSWER)
		answer.error = NULL;
	query->addresses = NULL;
	free_query(query);
	on_answer(asker, &answer);
	free(addresses);
}

static void end_one(struct resolver_query *query)
{
	if (--query->pending > 0)
		return;
	if (query->on_answer == NULL)
		free_query(query);
	else
		event_add(&query->hand_over, &(struct timeval){ .tv_sec = 0 });
}

static void add_address(struct resolver_query *query, uint8_t family, const void *ip)
{
	struct address *address;

	if (query->count == ADDRESSES_MAX)
		return;
	address = &query->addresses[query->count++];
	*address = (struct address){ .family = family };
	memcpy(address->ip, ip, family == 4 ? 4 : 16);
}

static void take_status(struct resolver_query *query, int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return;
	case ARES_ENOTFOUND: /* NXDOMAIN speaks of the name, whatever the other family's query met */
		query->has_no_name = true;
		query->error = "no such name";
		return;
	case ARES_ENODATA:
		if (query->error == NULL)
			query->error = "the name has no address";
		return;
	default:
		query->has_failed = true;
		if (!query->has_no_name)
			query->error = ares_strerror(status);
		return;
	}
}

static void on_a(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
	struct resolver_query *query = context;
	struct ares_addrttl found[ADDRESSES_MAX];
	int count = ADDRESSES_MAX;

	(void)timeouts;
	if (status == ARES_SUCCESS && query->on_answer != NULL) {
		status = ares_parse_a_reply(bytes, length, NULL, found, &count);
		for (int i = 0; status == ARES_SUCCESS && i < count; i++)
			add_address(query, 4, &found[i].ipaddr);
	}
	take_status(query, status);
	end_one(query);
}

static void on_aaaa(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
	struct resolver_query *query = context;
	struct ares_addr6ttl found[ADDRESSES_MAX];
	int count = ADDRESSES_MAX;

	(void)timeouts;
	if (status == ARES_SUCCESS && query->on_answer != NULL) {
		status = ares_parse_aaaa_reply(bytes, length, NULL, found, &count);
		for (int i = 0; status == ARES_SUCCESS && i < count; i++)
			add_address(query, 6, &found[i].ip6addr);
	}
	take_status(query, status);
	end_one(query);
}

struct resolver_query *resolver_ask(struct resolver *resolver, const char *name, resolver_on_answer *on_answer, void *context)
{
	struct resolver_query *query = calloc(1, sizeof *query);

	if (query == NULL)
		return NULL;
	query->addresses = calloc(ADDRESSES_MAX, sizeof *query->addresses);
	if (query->addresses == NULL) {
		free(query);
		return NULL;
	}
	query->resolver = resolver;
	query->on_answer = on_answer;
	query->context = context;
	query->asked_ms = clock_now_ms();
	query->pending = 3; /* one is ours: c-ares may call back before both are asked */
	evtimer_assign(&query->hand_over, resolver->base, on_hand_over, query);
	query->next = resolver->queries;
	resolver->queries = query;
	ares_query(resolver->channel, name, C_IN, T_A, on_a, query);
	ares_query(resolver->channel, name, C_IN, T_AAAA, on_aaaa, query);
	end_one(query);
	set_timer(resolver);
	return query;
}

void resolver_cancel(struct resolver_query *query)
{
	query->on_answer = NULL;
	if (query->pending == 0)
		free_query(query);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

static bool set_servers(struct resolver *resolver, const struct resolver_settings *settings)
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
	status = settings->server_count == 0 ? ARES_SUCCESS : ares_set_servers_ports_csv(resolver->channel, list);
	free(list);
	return status == ARES_SUCCESS;
}

struct resolver *resolver_new(struct event_base *base, const struct resolver_settings *settings, char *error, size_t size)
{
	struct resolver *resolver = calloc(1, sizeof *resolver);
	struct ares_options options = {
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = (int)settings->timeout_ms,
		.tries = (int)settings->tries,
		.sock_state_cb = on_socket_state,
		.sock_state_cb_data = resolver,
	};
	int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB, status;

#ifdef ARES_OPT_QUERY_CACHE /* since 1.31: would answer for as long as swarm's meaningless TTL says */
	mask |= ARES_OPT_QUERY_CACHE;
	options.qcache_max_ttl = 0;
#endif
	if (resolver == NULL) {
		snprintf(error, size, "memory is short");
		return NULL;
	}
	resolver->base = base;
	evtimer_assign(&resolver->timer, base, on_timer, resolver);
	status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = ares_init_options(&resolver->channel, &options, mask);
	if (status != ARES_SUCCESS) {
		snprintf(error, size, "DNS can't be set up: %s", ares_strerror(status));
		free(resolver);
		return NULL;
	}
	if (!set_servers(resolver, settings)) {
		snprintf(error, size, "dns.servers can't be used");
		resolver_free(resolver);
		return NULL;
	}
	return resolver;
}

void resolver_free(struct resolver *resolver)
{
	struct resolver_query *query, *next;

	for (query = resolver->queries; query != NULL; query = next) {
		next = query->next;
		resolver_cancel(query);
	}
	ares_destroy(resolver->channel); /* ends what is left, without calling anybody */
	event_del(&resolver->timer);
	while (resolver->watches != NULL)
		forget(resolver, resolver->watches->fd);
	ares_library_cleanup();
	free(resolver);
}
