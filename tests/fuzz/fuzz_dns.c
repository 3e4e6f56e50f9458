/*
 * Any bytes as a DNS server's two answers, for A and for AAAA, and as its answer for the names of an address: what reaches
 * discovery is one verdict, once, with addresses that are sorted, different from each other, and few enough, or with names that
 * the wrong-service guard can judge.
 *
 * The first byte says how the queries ended, the second how long the first answer is; c-ares takes the bytes apart, as it
 * does in the gateway, whose file is included to reach what it does with the result.
 */
#include <ares.h>

#include "gateway/discovery/identity.h"
#include "gateway/net/resolver_channel.h"
#include "gateway/net/resolver_message.h"
#include "tests/fuzz/check.h"

/* The query that the code asks over TCP as its answer over UDP was cut. */
static void *asked_over_tcp;

static void note_query(struct ares_channeldata *ares, const char *name, int type, struct message_query *query)
{
	(void)ares, (void)name, (void)type;
	asked_over_tcp = query->context;
}

static void set_no_timer(struct channel *channel)
{
	(void)channel;
}

#define message_ask note_query
#define channel_set_timer set_no_timer
#include "gateway/net/resolver.c"
#undef message_ask
#undef channel_set_timer

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A message of 64 KiB holds no more. */
enum { ADDRESSES_MOST = 4096 };

static unsigned dns_answers;

static void check_answer(void *context, const struct resolver_answer *answer)
{
	(void)context;
	dns_answers++;
	CHECK((answer->verdict == RESOLVER_ANSWER) == (answer->count > 0));
	CHECK((answer->error == NULL) == (answer->verdict == RESOLVER_ANSWER && !answer->is_cut));
	CHECK(answer->count <= 4 * ADDRESSES_MOST);
	CHECK(!answer->is_cut || answer->count > 0);
	for (size_t i = 0; i < answer->count; i++) {
		char text[ADDRESS_TEXT_MAX];

		CHECK(answer->addresses[i].family == 4 || answer->addresses[i].family == 6);
		CHECK(memcmp(answer->addresses[i].ip, (uint8_t[16]){ 0 }, sizeof answer->addresses[i].ip) != 0);
		CHECK(i == 0 || address_compare(&answer->addresses[i - 1], &answer->addresses[i]) < 0);
		CHECK(address_format(&answer->addresses[i], text) < sizeof text);
	}
}

static void check_names(void *context, const struct resolver_answer *answer)
{
	const char *which = NULL;
	enum identity identity;

	(void)context;
	dns_answers++;
	CHECK((answer->verdict == RESOLVER_ANSWER) == (answer->names != NULL));
	CHECK((answer->error == NULL) == (answer->verdict == RESOLVER_ANSWER));
	CHECK(answer->count == 0);
	identity = identity_of("tasks.patient", answer->names, &which);
	CHECK((identity == IDENTITY_UNKNOWN) == (which == NULL));
}

static int status_of(unsigned bits)
{
	static const int statuses[] = { ARES_SUCCESS, ARES_ENOTFOUND, ARES_ENODATA, ARES_ESERVFAIL };

	return statuses[bits % 4];
}

#if ARES_VERSION < 0x011c00

/* c-ares takes bytes that may be changed, and no room behind them. */
static void give_once(struct part *part, int status, const uint8_t *data, size_t size)
{
	unsigned char *reply = malloc(size > 0 ? size : 1);

	CHECK(reply != NULL);
	memcpy(reply, data, size);
	on_reply(part, status, 0, status == ARES_SUCCESS ? &(struct message){ .bytes = reply, .length = (int)size } : NULL);
	free(reply);
}

#else

/* As c-ares itself does: what it can't read is no message. */
static void give_once(struct part *part, int status, const uint8_t *data, size_t size)
{
	ares_dns_record_t *record = NULL;

	if (status == ARES_SUCCESS && ares_dns_parse(data, size, 0, &record) != ARES_SUCCESS)
		status = ARES_EBADRESP;
	on_reply(part, status, 0, record != NULL ? &(struct message){ .record = record } : NULL);
	ares_dns_record_destroy(record);
}

#endif

/* One that is cut over UDP is given once more, over TCP. */
static void give(struct resolver_query *query, unsigned index, int type, int status, const uint8_t *data, size_t size)
{
	struct part *part = &query->parts[index];

	*part = (struct part){ .query = query, .type = type };
	part->channel = channels_use(&query->resolver->channels, false);
	asked_over_tcp = NULL;
	give_once(part, status, data, size);
	if (asked_over_tcp == NULL)
		return;
	CHECK(asked_over_tcp == part && part->channel->is_tcp);
	give_once(part, status_of(size), data, size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	static const struct address server = { .family = 4, .ip = { 127, 0, 0, 1 }, .port = 53 };
	static struct resolver *resolver;
	struct resolver_query *query;
	unsigned how;
	size_t first;

	if (resolver == NULL) {
		char error[100];

		base = event_base_new();
		resolver = resolver_new(base, &(struct resolver_settings){ .servers = &server, .server_count = 1 }, error, sizeof error);
	}
	if (size < 2)
		return 0;
	how = data[0];
	first = data[1] < size - 2 ? data[1] : size - 2;
	CHECK(base != NULL && resolver != NULL);
	dns_answers = 0;
	query = new_query(resolver, "1.0.0.10.in-addr.arpa", check_names, NULL);
	CHECK(query != NULL);
	query->is_reverse = true;
	query->pending = 1;
	give(query, 0, T_PTR, status_of(how), data + 2, size - 2);
	event_base_loop(base, EVLOOP_NONBLOCK);
	CHECK(dns_answers == 1 && resolver->queries == NULL);
	dns_answers = 0;
	query = new_query(resolver, "tasks.patient", check_answer, NULL);
	CHECK(query != NULL);
	query->pending = 2;
	give(query, 0, T_A, status_of(how), data + 2, first);
	if (how & 16)
		resolver_cancel(query);
	give(query, 1, T_AAAA, status_of(how / 4), data + 2 + first, size - 2 - first);
	if ((how & 48) == 32)
		resolver_cancel(query);
	event_base_loop(base, EVLOOP_NONBLOCK);
	CHECK(dns_answers == (how & 48 ? 0 : 1));
	CHECK(resolver->queries == NULL);
	return 0;
}
