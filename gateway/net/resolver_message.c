#include "gateway/net/resolver_message.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

void message_free_names(char **names)
{
	for (size_t i = 0; names != NULL && names[i] != NULL; i++)
		free(names[i]);
	free(names);
}

#if ARES_VERSION < 0x011c00

/* The largest message, 64 KiB over TCP, holds no more, so nothing is ever cut. */
enum { ADDRESSES_MAX = 4096 };
enum { TRUNCATED = 0x02, UDP_LEAST_BYTES = 512 };

static void on_bytes(void *context, int status, int timeouts, unsigned char *bytes, int length)
{
	struct message_query *query = context;
	struct message message = { .bytes = bytes, .length = length };

	query->on_answer(query->context, status, timeouts, bytes == NULL ? NULL : &message);
}

void message_ask(struct ares_channeldata *ares, const char *name, int type, struct message_query *query)
{
	ares_query(ares, name, C_IN, type, on_bytes, query);
}

static int number_at(const unsigned char *bytes)
{
	return bytes[0] << 8 | bytes[1];
}

/* Skips the name at `at`. Returns where the next part begins, or NULL if fewer than so many bytes follow. */
static const unsigned char *after_name(const unsigned char *at, const unsigned char *end, const unsigned char *bytes, long wanted)
{
	char *name;
	long taken;

	if (at == NULL || at >= end || ares_expand_name(at, bytes, (int)(end - bytes), &name, &taken) != ARES_SUCCESS)
		return NULL;
	ares_free_string(name);
	return end - at - taken >= wanted ? at + taken : NULL;
}

/* *type: that of the record which was skipped. */
static const unsigned char *after_record(const unsigned char *at, const unsigned char *end, const unsigned char *bytes, int *type)
{
	at = after_name(at, end, bytes, NS_RRFIXEDSZ);
	if (at == NULL || end - at - NS_RRFIXEDSZ < number_at(at + 8))
		return NULL;
	*type = number_at(at);
	return at + NS_RRFIXEDSZ + number_at(at + 8);
}

static const unsigned char *after_questions(const unsigned char *bytes, int length)
{
	const unsigned char *at = bytes + NS_HFIXEDSZ, *end = bytes + length;

	if (length < NS_HFIXEDSZ)
		return NULL;
	for (int left = number_at(bytes + 4); left > 0 && at != NULL; left--)
		if ((at = after_name(at, end, bytes, NS_QFIXEDSZ)) != NULL)
			at += NS_QFIXEDSZ;
	return at;
}

/* c-ares truncates what is too long for UDP, if the server did not. */
bool message_is_cut(const struct message *message, int status, bool is_tcp)
{
	return (message->length >= NS_HFIXEDSZ && (message->bytes[2] & TRUNCATED) != 0) ||
	       (!is_tcp && status == ARES_EBADRESP && message->length >= UDP_LEAST_BYTES);
}

bool message_has_records(const struct message *message)
{
	return message->length >= NS_HFIXEDSZ && number_at(message->bytes + 6) != 0;
}

bool message_is_denied_by_zone(const struct message *message)
{
	const unsigned char *bytes = message->bytes, *end = bytes + message->length;
	const unsigned char *at = after_questions(bytes, message->length);
	int type;

	if (at == NULL || number_at(bytes + 8) == 0)
		return false;
	for (int left = number_at(bytes + 6); left > 0 && at != NULL; left--)
		at = after_record(at, end, bytes, &type);
	at = after_name(at, end, bytes, NS_RRFIXEDSZ);
	return at != NULL && number_at(at) == T_SOA;
}

static int status_of(enum found_result result)
{
	return result == FOUND_SOME ? ARES_SUCCESS : result == FOUND_NO_HOST ? MESSAGE_NO_HOST : ARES_ENOMEM;
}

static int take_a(const struct message *message, struct found *to)
{
	struct ares_addrttl found[ADDRESSES_MAX];
	int count = ADDRESSES_MAX, status = ares_parse_a_reply(message->bytes, message->length, NULL, found, &count);

	if (status != ARES_SUCCESS || count == 0)
		return status == ARES_SUCCESS ? ARES_ENODATA : status;
	return status_of(found_add(to, 4, &found[0].ipaddr, sizeof found[0], (size_t)count));
}

static int take_aaaa(const struct message *message, struct found *to)
{
	struct ares_addr6ttl found[ADDRESSES_MAX];
	int count = ADDRESSES_MAX, status = ares_parse_aaaa_reply(message->bytes, message->length, NULL, found, &count);

	if (status != ARES_SUCCESS || count == 0)
		return status == ARES_SUCCESS ? ARES_ENODATA : status;
	return status_of(found_add(to, 6, &found[0].ip6addr, sizeof found[0], (size_t)count));
}

int message_take_addresses(const struct message *message, uint8_t family, struct found *found)
{
	return family == 4 ? take_a(message, found) : take_aaaa(message, found);
}

int message_take_names(const struct message *message, char ***names)
{
	struct hostent *host = NULL;
	size_t count = 0;
	int status = ares_parse_ptr_reply(message->bytes, message->length, NULL, 0, AF_UNSPEC, &host);

	if (status != ARES_SUCCESS)
		return status;
	while (host->h_aliases[count] != NULL)
		count++;
	*names = calloc(count + 1, sizeof **names);
	for (size_t i = 0; *names != NULL && i < count; i++) {
		(*names)[i] = strdup(host->h_aliases[i]);
		if ((*names)[i] == NULL) {
			message_free_names(*names);
			*names = NULL;
		}
	}
	ares_free_hostent(host);
	return *names == NULL ? ARES_ENOMEM : ARES_SUCCESS;
}

const char *message_complaint(const struct message *message, int type)
{
	const unsigned char *bytes = message->bytes, *end = bytes + message->length;
	const unsigned char *at = after_questions(bytes, message->length);
	bool has_wanted = false, has_alias = false;

	for (int left = at == NULL ? 0 : number_at(bytes + 6); left > 0 && at != NULL; left--) {
		int this_type = 0;

		at = after_record(at, end, bytes, &this_type);
		if (this_type == T_CNAME && has_wanted)
			return "the server's answer has an address before the CNAME that leads to it";
		has_wanted = has_wanted || this_type == type;
		has_alias = has_alias || this_type == T_CNAME;
	}
	if (at == NULL)
		return "the server's answer is malformed";
	if (has_alias && !has_wanted)
		return "the server's answer is an alias (CNAME) that leads to no address";
	return "the server's answer has no record of the name that was asked for";
}

#endif
