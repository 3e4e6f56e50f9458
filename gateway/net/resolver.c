/*
 * A question is two queries, A and AAAA, or one for the names of an address; when all have ended the answer is handed over
 * from a timer of its own, so the caller never hears back before resolver_ask() returned, and may do whatever it likes with the
 * resolver, even free it.
 *
 * ares_query() asks for the name as it stands: no search domains. The hosts file is asked for what DNS has no address of (Docker's
 * extra_hosts stand there); the other way round it would hide a service.
 */
#include "gateway/net/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/net/resolver_channel.h"

/* The largest message there is, 64 KiB over TCP, holds no more; nothing is ever cut. */
enum { ADDRESSES_MAX = 4096 };
enum { REVERSE_TEXT_MAX = 80, TRUNCATED = 0x02 };
enum { NO_HOST = -1 }; /* a status beside those of c-ares: nothing but 0.0.0.0 or :: */

struct resolver {
	struct event_base *base;
	struct channel channel;
	struct resolver_query *queries;
};

struct resolver_query {
	struct resolver_query *next;
	struct resolver *resolver;
	resolver_on_answer *on_answer; /* NULL: called off */
	void *context;
	struct event hand_over;
	unsigned pending; /* queries, and resolver_ask() itself while it asks */
	bool has_no_name;
	uint8_t failed_family; /* 0: none; the other one's answer may be good all the same */
	unsigned failures;
	const char *error;
	struct address *addresses;
	size_t count;
	char *name;           /* NULL: a reverse query */
	struct hostent *host; /* of a reverse query */
};

/* ---- answers ------------------------------------------------------------------------------------------------- */

static void unlink_query(struct resolver_query *query)
{
	struct resolver_query **link = &query->resolver->queries;

	while (*link != query)
		link = &(*link)->next;
	*link = query->next;
}

static void free_query(struct resolver_query *query)
{
	event_del(&query->hand_over);
	if (query->host != NULL)
		ares_free_hostent(query->host);
	free(query->addresses);
	free(query->name);
	free(query);
}

static int compare(const void *a, const void *b)
{
	return address_compare(a, b);
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

/* `count` of them, `step` bytes apart. 0.0.0.0 and :: are left out: servers answer so for names that they block, and who connects
 * to one reaches this host itself. */
static int add_addresses(struct resolver_query *query, uint8_t family, const void *found, size_t step, size_t count)
{
	static const uint8_t no_host[16];
	size_t length = family == 4 ? 4 : 16, before = query->count;
	struct address *larger = realloc(query->addresses, (before + count + 1) * sizeof *larger);

	if (larger == NULL)
		return ARES_ENOMEM;
	query->addresses = larger;
	for (const uint8_t *ip = found; count > 0; count--, ip += step) {
		if (memcmp(ip, no_host, length) == 0)
			continue;
		larger[query->count] = (struct address){ .family = family };
		memcpy(larger[query->count++].ip, ip, length);
	}
	return query->count > before ? ARES_SUCCESS : NO_HOST;
}

static void add_from_hosts(struct resolver_query *query, int family)
{
	struct hostent *host;

	if (ares_gethostbyname_file(query->resolver->channel.ares, query->name, family, &host) != ARES_SUCCESS)
		return;
	for (char **ip = host->h_addr_list; *ip != NULL; ip++)
		add_addresses(query, family == AF_INET ? 4 : 6, *ip, 0, 1);
	ares_free_hostent(host);
}

static enum resolver_verdict verdict(const struct resolver_query *query)
{
	if (query->count > 0 || query->host != NULL)
		return RESOLVER_ANSWER;
	return query->has_no_name || query->failures == 0 ? RESOLVER_NO_NAME : RESOLVER_FAILURE;
}

/* The query lives until the asker has seen the answer, but is out of everybody's reach: one that is called off now, or whose
 * resolver is freed, is this one no more. */
static void on_hand_over(evutil_socket_t fd, short what, void *context)
{
	struct resolver_query *query = context;
	struct resolver_answer answer = { .error = query->error };

	(void)fd, (void)what;
	unlink_query(query);
	answer.is_second_best = verdict(query) == RESOLVER_FAILURE;
	if (query->name != NULL && query->count == 0) {
		add_from_hosts(query, AF_INET);
		add_from_hosts(query, AF_INET6);
		query->failed_family = 0;
	}
	sort_and_unify(query);
	answer.verdict = verdict(query);
	answer.addresses = query->addresses;
	answer.count = query->count;
	answer.names = query->host == NULL ? NULL : (const char *const *)query->host->h_aliases;
	answer.failed_family = query->count > 0 ? query->failed_family : 0;
	if (answer.verdict == RESOLVER_ANSWER && !answer.is_second_best)
		answer.error = NULL;
	query->on_answer(query->context, &answer);
	free_query(query);
}

static void end_one(struct resolver_query *query)
{
	if (--query->pending > 0)
		return;
	if (query->on_answer == NULL) {
		unlink_query(query);
		free_query(query);
	} else
		event_add(&query->hand_over, &(struct timeval){ .tv_sec = 0 });
}

static int number_at(const unsigned char *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

/* Where what follows the name at `at` begins, if there are so many bytes of it; else NULL. */
static const unsigned char *after_name(const unsigned char *at, const unsigned char *end, const unsigned char *bytes, long wanted)
{
	char *name;
	long taken;

	if (at == NULL || at >= end || ares_expand_name(at, bytes, (int)(end - bytes), &name, &taken) != ARES_SUCCESS)
		return NULL;
	ares_free_string(name);
	return end - at - taken >= wanted ? at + taken : NULL;
}

static const unsigned char *after_record(const unsigned char *at, const unsigned char *end, const unsigned char *bytes)
{
	at = after_name(at, end, bytes, NS_RRFIXEDSZ);
	return at != NULL && end - at - NS_RRFIXEDSZ >= number_at(at + 8) ? at + NS_RRFIXEDSZ + number_at(at + 8) : NULL;
}

/* Does the authority section begin with an SOA? So a zone says that a name of it has no such record (RFC 2308 section 2.2). */
static bool is_denied_by_zone(const unsigned char *bytes, int length)
{
	const unsigned char *at = bytes + NS_HFIXEDSZ, *end = bytes + length;

	if (length < NS_HFIXEDSZ || number_at(bytes + 8) == 0)
		return false;
	for (int left = number_at(bytes + 4); left > 0 && at != NULL; left--)
		if ((at = after_name(at, end, bytes, NS_QFIXEDSZ)) != NULL)
			at += NS_QFIXEDSZ;
	for (int left = number_at(bytes + 6); left > 0 && at != NULL; left--)
		at = after_record(at, end, bytes);
	at = after_name(at, end, bytes, NS_RRFIXEDSZ);
	return at != NULL && number_at(at) == T_SOA;
}

/* c-ares calls two good that are none: an alias that leads nowhere, or in a circle, and an answer that is cut even over
 * TCP. Both look as if the name had no address. */
static int checked(int status, int count, const unsigned char *bytes, int length)
{
	bool is_cut = length >= NS_HFIXEDSZ && (bytes[2] & TRUNCATED) != 0;
	bool has_records = length >= NS_HFIXEDSZ && number_at(bytes + 6) != 0;

	if (count > 0 || (status != ARES_SUCCESS && status != ARES_ENODATA))
		return is_cut && status == ARES_SUCCESS ? ARES_EBADRESP : status;
	return is_cut || (has_records && !is_denied_by_zone(bytes, length)) ? ARES_EBADRESP : ARES_ENODATA;
}

static void take_status(struct resolver_query *query, int status, uint8_t family)
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
		query->failures++;
		query->failed_family = family;
		if (!query->has_no_name)
			query->error = status == NO_HOST ? "0.0.0.0 or :: is no host's address" : ares_strerror(status);
		return;
	}
}

static void on_a(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
	struct resolver_query *query = context;
	struct ares_addrttl found[ADDRESSES_MAX];
	int count = ADDRESSES_MAX;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_a_reply(bytes, length, NULL, found, &count);
	status = checked(status, status == ARES_SUCCESS ? count : 0, bytes, length);
	if (status == ARES_SUCCESS && query->on_answer != NULL)
		status = add_addresses(query, 4, &found[0].ipaddr, sizeof found[0], (size_t)count);
	take_status(query, status, 4);
	end_one(query);
}

static void on_aaaa(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
	struct resolver_query *query = context;
	struct ares_addr6ttl found[ADDRESSES_MAX];
	int count = ADDRESSES_MAX;

	(void)timeouts;
	if (status == ARES_SUCCESS)
		status = ares_parse_aaaa_reply(bytes, length, NULL, found, &count);
	status = checked(status, status == ARES_SUCCESS ? count : 0, bytes, length);
	if (status == ARES_SUCCESS && query->on_answer != NULL)
		status = add_addresses(query, 6, &found[0].ip6addr, sizeof found[0], (size_t)count);
	take_status(query, status, 6);
	end_one(query);
}

static void on_ptr(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
	struct resolver_query *query = context;

	(void)timeouts;
	if (status == ARES_SUCCESS && query->on_answer != NULL)
		status = ares_parse_ptr_reply(bytes, length, NULL, 0, AF_UNSPEC, &query->host);
	take_status(query, status, 0);
	end_one(query);
}

static struct resolver_query *new_query(struct resolver *resolver, resolver_on_answer *on_answer, void *context)
{
	struct resolver_query *query = calloc(1, sizeof *query);

	if (query == NULL)
		return NULL;
	query->resolver = resolver;
	query->on_answer = on_answer;
	query->context = context;
	query->pending = 1; /* c-ares may call back before all is asked */
	evtimer_assign(&query->hand_over, resolver->base, on_hand_over, query);
	query->next = resolver->queries;
	resolver->queries = query;
	return query;
}

struct resolver_query *resolver_ask(struct resolver *resolver, const char *name, resolver_on_answer *on_answer, void *context)
{
	struct resolver_query *query = new_query(resolver, on_answer, context);

	if (query == NULL)
		return NULL;
	query->name = strdup(name); /* without memory for it the hosts file is not asked */
	query->pending += 2;
	ares_query(resolver->channel.ares, name, C_IN, T_A, on_a, query);
	ares_query(resolver->channel.ares, name, C_IN, T_AAAA, on_aaaa, query);
	end_one(query);
	channel_set_timer(&resolver->channel);
	/* It is there while somebody asks. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return query;
}

/* "4.3.2.1.in-addr.arpa"; IPv6 in nibbles: the last of the address first. */
static void format_reverse(const struct address *address, char text[REVERSE_TEXT_MAX])
{
	const uint8_t *ip = address->ip;

	if (address->family == 4) {
		snprintf(text, REVERSE_TEXT_MAX, "%u.%u.%u.%u.in-addr.arpa", ip[3], ip[2], ip[1], ip[0]);
		return;
	}
	for (int i = 15; i >= 0; i--)
		text += sprintf(text, "%x.%x.", ip[i] & 15u, ip[i] >> 4);
	strcpy(text, "ip6.arpa");
}

struct resolver_query *resolver_ask_names(struct resolver *resolver, const struct address *address,
                                          resolver_on_answer *on_answer, void *context)
{
	struct resolver_query *query = new_query(resolver, on_answer, context);
	char name[REVERSE_TEXT_MAX];

	if (query == NULL)
		return NULL;
	query->pending++;
	format_reverse(address, name);
	ares_query(resolver->channel.ares, name, C_IN, T_PTR, on_ptr, query);
	end_one(query);
	channel_set_timer(&resolver->channel);
	/* It is there while somebody asks. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return query;
}

void resolver_cancel(struct resolver_query *query)
{
	query->on_answer = NULL;
	if (query->pending > 0)
		return;
	unlink_query(query);
	free_query(query);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct resolver *resolver_new(struct event_base *base, const struct resolver_settings *settings, char *error, size_t size)
{
	struct resolver *resolver = calloc(1, sizeof *resolver);

	if (resolver == NULL) {
		snprintf(error, size, "memory is short");
		return NULL;
	}
	resolver->base = base;
	if (channel_init(&resolver->channel, base, settings, error, size))
		return resolver;
	free(resolver);
	return NULL;
}

bool resolver_equals(const struct resolver *a, const struct resolver *b)
{
	return channel_equals(&a->channel, &b->channel);
}

void resolver_free(struct resolver *resolver)
{
	struct resolver_query *query, *next;

	for (query = resolver->queries; query != NULL; query = next) {
		next = query->next;
		resolver_cancel(query);
	}
	channel_destroy(&resolver->channel); /* ends what is left, without calling anybody */
	free(resolver);
}
