/*
 * Any bytes as a DNS server's two answers, for A and for AAAA, and as its answer for the names of an address: what reaches
 * discovery is one verdict, once, with addresses that are sorted, different from each other, and few enough, or with names that
 * the wrong-service guard can judge.
 *
 * The first byte says how the queries ended, the second how long the first answer is; c-ares takes the bytes apart, as it
 * does in the gateway, whose file is included to reach what it does with the result.
 */
#include "gateway/discovery/identity.h"
#include "gateway/net/resolver.c"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned dns_answers;

static void check_answer(void *context, const struct resolver_answer *answer)
{
	(void)context;
	dns_answers++;
	CHECK((answer->verdict == RESOLVER_ANSWER) == (answer->count > 0));
	CHECK((answer->error == NULL) == (answer->verdict == RESOLVER_ANSWER));
	CHECK(answer->count <= 2 * ADDRESSES_MAX);
	for (size_t i = 0; i < answer->count; i++) {
		char text[ADDRESS_TEXT_MAX];

		CHECK(answer->addresses[i].family == 4 || answer->addresses[i].family == 6);
		CHECK(memcmp(answer->addresses[i].ip, (uint8_t[16]){ 0 }, sizeof answer->addresses[i].ip) != 0);
		CHECK(i == 0 || compare(&answer->addresses[i - 1], &answer->addresses[i]) < 0);
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

/* c-ares takes bytes that may be changed, and no room behind them. */
static void give(void on_reply(void *, int, int, unsigned char *, int), struct resolver_query *query, int status,
                 const uint8_t *data, size_t size)
{
	unsigned char *reply = malloc(size > 0 ? size : 1);

	CHECK(reply != NULL);
	memcpy(reply, data, size);
	on_reply(query, status, 0, status == ARES_SUCCESS ? reply : NULL, status == ARES_SUCCESS ? (int)size : 0);
	free(reply);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	struct resolver resolver = { .queries = NULL };
	struct resolver_query *query;
	unsigned how;
	size_t first;

	if (base == NULL)
		base = event_base_new();
	if (size < 2)
		return 0;
	how = data[0];
	first = data[1] < size - 2 ? data[1] : size - 2;
	resolver.base = base;
	dns_answers = 0;
	query = new_query(&resolver, check_names, NULL);
	CHECK(base != NULL && query != NULL);
	give(on_ptr, query, status_of(how), data + 2, size - 2);
	event_base_loop(base, EVLOOP_NONBLOCK);
	CHECK(dns_answers == 1 && resolver.queries == NULL);
	dns_answers = 0;
	query = new_query(&resolver, check_answer, NULL);
	CHECK(query != NULL);
	query->pending = 2;
	give(on_a, query, status_of(how), data + 2, first);
	if (how & 16)
		resolver_cancel(query);
	give(on_aaaa, query, status_of(how / 4), data + 2 + first, size - 2 - first);
	if ((how & 48) == 32)
		resolver_cancel(query);
	event_base_loop(base, EVLOOP_NONBLOCK);
	CHECK(dns_answers == (how & 48 ? 0 : 1));
	CHECK(resolver.queries == NULL);
	return 0;
}
