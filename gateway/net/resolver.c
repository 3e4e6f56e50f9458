/*
 * A question is two queries, A and AAAA, or one query for the names of an address. When all of them have ended, a timer
 * hands the answer over. So the caller never gets it before resolver_ask() has returned, and may do whatever it likes
 * with the resolver, even free it.
 *
 * Over UDP a long answer comes truncated. Then the resolver asks again over TCP; if that fails, it uses what the
 * truncated answer held.
 *
 * The resolver reads the hosts file for names without an address in DNS, such as Docker's extra_hosts. The other way
 * round, a line in that file would hide a service.
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
#include "gateway/net/resolver_found.h"
#include "gateway/net/resolver_message.h"

enum { REVERSE_TEXT_MAX = 80 };

struct resolver {
	struct event_base *base;
	struct channels channels;
	struct resolver_query *queries;
};

/* One of c-ares' queries. */
struct part {
	struct resolver_query *query;
	struct message_query asked;
	struct channel *channel;
	int type;
	bool is_cut; /* over UDP */
	bool has_addresses;
};

struct resolver_query {
	struct resolver_query *next;
	struct resolver *resolver;
	resolver_on_answer *on_answer; /* NULL: called off */
	void *context;
	struct event hand_over;
	struct part parts[2]; /* A and AAAA, or PTR */
	unsigned pending;     /* queries, and resolver_ask() itself while it asks */
	bool has_no_name, is_cut;
	uint8_t failed_family; /* 0: none failed; the other family's answer may still be good */
	unsigned failures;
	const char *error;
	struct found found;
	char **names; /* of a reverse query */
	bool is_reverse;
	char name[];
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
	message_free_names(query->names);
	free(query->found.list);
	free(query);
}

static void add_from_hosts(struct resolver_query *query, int family)
{
	struct channel *channel = channels_use(&query->resolver->channels, false);
	struct hostent *host;
	int status = ares_gethostbyname_file(channel->ares, query->name, family, &host);

	channel_leave(channel, false);
	if (status != ARES_SUCCESS)
		return;
	for (char **ip = host->h_addr_list; *ip != NULL; ip++)
		found_add(&query->found, family == AF_INET ? 4 : 6, *ip, 0, 1);
	ares_free_hostent(host);
}

static enum resolver_verdict verdict(const struct resolver_query *query)
{
	if (query->found.count > 0 || query->names != NULL)
		return RESOLVER_ANSWER;
	return query->has_no_name || query->failures == 0 ? RESOLVER_NO_NAME : RESOLVER_FAILURE;
}

/* The query lives until the asker has seen the answer, but nobody else can reach it any more: it is no longer the one
 * that resolver_cancel() or resolver_free() would end. */
static void on_hand_over(evutil_socket_t fd, short what, void *context)
{
	struct resolver_query *query = context;
	struct resolver_answer answer = { .error = query->error };

	(void)fd, (void)what;
	unlink_query(query);
	answer.dns_verdict = verdict(query);
	if (!query->is_reverse && query->found.count == 0) {
		add_from_hosts(query, AF_INET);
		add_from_hosts(query, AF_INET6);
		query->failed_family = 0;
	}
	found_sort(&query->found);
	answer.verdict = verdict(query);
	answer.addresses = query->found.list;
	answer.count = query->found.count;
	answer.is_from_hosts = answer.verdict != answer.dns_verdict;
	answer.names = (const char *const *)query->names;
	answer.failed_family = query->found.count > 0 ? query->failed_family : 0;
	answer.is_cut = query->is_cut;
	if (answer.dns_verdict == RESOLVER_ANSWER && !query->is_cut)
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

/* c-ares reports success for an alias that leads nowhere, or in a circle, as if the name had no address. */
static int take_reply(struct part *part, const struct message *message)
{
	int status;

	if (part->type == T_PTR) {
		message_free_names(part->query->names); /* of the truncated answer */
		part->query->names = NULL;
		return message_take_names(message, &part->query->names);
	}
	status = message_take_addresses(message, part->type == T_A ? 4 : 6, &part->query->found);
	part->has_addresses = part->has_addresses || status == ARES_SUCCESS;
	if (status == ARES_ENODATA && message_has_records(message) && !message_is_denied_by_zone(message))
		return ARES_EBADRESP;
	return status;
}

static void take_status(struct resolver_query *query, int status, uint8_t family, const char *complaint)
{
	switch (status) {
	case ARES_SUCCESS:
		return;
	case ARES_ENOTFOUND: /* NXDOMAIN is about the name, whatever happened to the other family's query */
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
			query->error = complaint;
		return;
	}
}

static bool ask(struct part *part, bool is_tcp);

/* The part of a truncated answer that arrived counts if the gateway can't get the whole. */
static int settle_for_cut(struct part *part, int status, const char **complaint)
{
	if (status == ARES_SUCCESS || !part->is_cut)
		return status;
	*complaint = "the server's answer is cut, and TCP has no better one";
	if (!part->has_addresses)
		return ARES_EBADRESP;
	part->query->is_cut = true;
	part->query->error = *complaint;
	return ARES_SUCCESS;
}

static const char *complaint_of(const struct part *part, int status, const struct message *message)
{
	if (status == MESSAGE_NO_HOST)
		return "0.0.0.0 or :: is no host's address";
	if (status != ARES_EBADRESP)
		return ares_strerror(status);
	return message != NULL ? message_complaint(message, part->type) : "the server's answer is malformed";
}

static void on_reply(void *context, int status, int timeouts, const struct message *message)
{
	struct part *part = context;
	struct resolver_query *query = part->query;
	bool is_tcp = part->channel->is_tcp, has_reply = status == ARES_SUCCESS || status == ARES_ENODATA;
	const char *complaint = complaint_of(part, status, NULL);

	channel_leave(part->channel, timeouts > 0 && !has_reply && status != ARES_ENOTFOUND);
	if (has_reply && message != NULL && query->on_answer != NULL) {
		if (status == ARES_SUCCESS)
			status = take_reply(part, message);
		complaint = complaint_of(part, status, message);
		if (message_is_cut(message, status, is_tcp)) {
			part->is_cut = true;
			if (!is_tcp && ask(part, true))
				return;
			status = ARES_EBADRESP;
		}
	}
	status = settle_for_cut(part, status, &complaint);
	take_status(query, status, part->type == T_A ? 4 : 6, complaint);
	end_one(query);
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

/* False: out of memory. */
static bool ask(struct part *part, bool is_tcp)
{
	struct channel *channel = channels_use(&part->query->resolver->channels, is_tcp);

	if (channel == NULL)
		return false;
	part->channel = channel;
	part->asked = (struct message_query){ on_reply, part };
	message_ask(channel->ares, part->query->name, part->type, &part->asked);
	channel_set_timer(channel); /* a timer frees it, if this was its last query */
	return true;
}

static struct resolver_query *new_query(struct resolver *resolver, const char *name, resolver_on_answer *on_answer, void *context)
{
	struct resolver_query *query = calloc(1, sizeof *query + strlen(name) + 1);

	if (query == NULL)
		return NULL;
	strcpy(query->name, name);
	query->resolver = resolver;
	query->on_answer = on_answer;
	query->context = context;
	evtimer_assign(&query->hand_over, resolver->base, on_hand_over, query);
	query->next = resolver->queries;
	resolver->queries = query;
	return query;
}

static void add_part(struct resolver_query *query, int type)
{
	query->parts[query->pending++] = (struct part){ .query = query, .type = type };
}

/* c-ares may call back at once, so the question must not end before all its queries exist. */
static struct resolver_query *ask_all(struct resolver_query *query)
{
	for (unsigned i = 0, count = query->pending++; i < count; i++)
		ask(&query->parts[i], false); /* there is always a channel for UDP */
	end_one(query);
	/* It is there while somebody asks. NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return query;
}

struct resolver_query *resolver_ask(struct resolver *resolver, const char *name, resolver_on_answer *on_answer, void *context)
{
	struct resolver_query *query = new_query(resolver, name, on_answer, context);

	if (query == NULL)
		return NULL;
	add_part(query, T_A);
	add_part(query, T_AAAA);
	return ask_all(query);
}

/* "4.3.2.1.in-addr.arpa", and nibbles for IPv6: the address from its end. */
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
	struct resolver_query *query;
	char name[REVERSE_TEXT_MAX];

	format_reverse(address, name);
	query = new_query(resolver, name, on_answer, context);
	if (query == NULL)
		return NULL;
	query->is_reverse = true;
	add_part(query, T_PTR);
	return ask_all(query);
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
		snprintf(error, size, "out of memory");
		return NULL;
	}
	resolver->base = base;
	if (channels_init(&resolver->channels, base, settings, error, size))
		return resolver;
	free(resolver);
	return NULL;
}

bool resolver_equals(const struct resolver *a, const struct resolver *b)
{
	return channels_equal(&a->channels, &b->channels);
}

void resolver_free(struct resolver *resolver)
{
	struct resolver_query *query, *next;

	for (query = resolver->queries; query != NULL; query = next) {
		next = query->next;
		resolver_cancel(query);
	}
	channels_destroy(&resolver->channels); /* ends the remaining queries without calling anybody */
	free(resolver);
}
