/*
 * DNS messages in the form that c-ares gives them: from 1.28 on as records (resolver_record.c), before that as bytes
 * (resolver_message.c). To the resolver both mean the same. For the files resolver*.c alone.
 */
#ifndef GATEWAY_NET_RESOLVER_MESSAGE_H
#define GATEWAY_NET_RESOLVER_MESSAGE_H

#include "gateway/net/resolver_found.h"

struct ares_channeldata;
struct ares_dns_record;

struct message {
	unsigned char *bytes;
	int length;
	const struct ares_dns_record *record;
};

/* `status` is c-ares'. The message (NULL: none) is gone after the call. */
typedef void message_on_answer(void *context, int status, int timeouts, const struct message *message);

struct message_query {
	message_on_answer *on_answer;
	void *context;
};

/* A status of our own, beside those of c-ares: the answer held nothing but 0.0.0.0 or ::. */
enum { MESSAGE_NO_HOST = -1 };

/* Asks for the name as it stands, without search domains. The query must live until the answer, which may come at
 * once. */
void message_ask(struct ares_channeldata *ares, const char *name, int type, struct message_query *query);
/* Did the server, or c-ares, leave something out? `status` is the result of reading the message. */
bool message_is_cut(const struct message *message, int status, bool is_tcp);
/* Does its answer section hold anything? */
bool message_has_records(const struct message *message);
/* Does the authority section begin with an SOA? That is how a zone says that it has no such record (RFC 2308 section
 * 2.2). */
bool message_is_denied_by_zone(const struct message *message);
/* The addresses of the name in question, or of the target of its aliases; returns a status of c-ares. */
int message_take_addresses(const struct message *message, uint8_t family, struct found *found);
/* The names of an address, the last NULL; for message_free_names(). */
int message_take_names(const struct message *message, char ***names);
void message_free_names(char **names);
/* Why no record of `type` could be used: a static text for the log. */
const char *message_complaint(const struct message *message, int type);

#endif
