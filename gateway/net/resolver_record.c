/* Messages in the form that c-ares gives them from 1.28 on. */
#include "gateway/net/resolver_message.h"

#include <ares.h>

#if ARES_VERSION >= 0x011c00

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void on_record(void *context, ares_status_t status, size_t timeouts, const ares_dns_record_t *record)
{
	struct message_query *query = context;
	struct message message = { .record = record };

	query->on_answer(query->context, (int)status, (int)timeouts, record == NULL ? NULL : &message);
}

void message_ask(struct ares_channeldata *ares, const char *name, int type, struct message_query *query)
{
	ares_query_dnsrec(ares, name, ARES_CLASS_IN, (ares_dns_rec_type_t)type, on_record, query, NULL);
}

bool message_is_cut(const struct message *message, int status, bool is_tcp)
{
	(void)status, (void)is_tcp;
	return (ares_dns_record_get_flags(message->record) & ARES_FLAG_TC) != 0;
}

bool message_has_records(const struct message *message)
{
	return ares_dns_record_rr_cnt(message->record, ARES_SECTION_ANSWER) != 0;
}

bool message_is_denied_by_zone(const struct message *message)
{
	const ares_dns_rr_t *first = ares_dns_record_rr_get_const(message->record, ARES_SECTION_AUTHORITY, 0);

	return first != NULL && ares_dns_rr_get_type(first) == ARES_REC_TYPE_SOA;
}

/* Reads the answer section in order: an alias counts for the records after it. */
struct walk {
	const ares_dns_record_t *record;
	const char *name; /* the name in question, or the target of its aliases so far */
	size_t at;
};

static struct walk walk_begin(const struct message *message)
{
	struct walk walk = { .record = message->record };

	if (ares_dns_record_query_get(walk.record, 0, &walk.name, NULL, NULL) != ARES_SUCCESS)
		walk.name = NULL;
	return walk;
}

static const ares_dns_rr_t *walk_next(struct walk *walk, ares_dns_rec_type_t type)
{
	const ares_dns_rr_t *rr;

	while (walk->name != NULL && (rr = ares_dns_record_rr_get_const(walk->record, ARES_SECTION_ANSWER, walk->at)) != NULL) {
		const char *owner = ares_dns_rr_get_name(rr);

		walk->at++;
		if (ares_dns_rr_get_class(rr) != ARES_CLASS_IN || owner == NULL || strcasecmp(owner, walk->name) != 0)
			continue;
		if (ares_dns_rr_get_type(rr) == type)
			return rr;
		if (ares_dns_rr_get_type(rr) == ARES_REC_TYPE_CNAME)
			walk->name = ares_dns_rr_get_str(rr, ARES_RR_CNAME_CNAME);
	}
	return NULL;
}

int message_take_addresses(const struct message *message, uint8_t family, struct found *found)
{
	struct walk walk = walk_begin(message);
	int status = ARES_ENODATA;
	const ares_dns_rr_t *rr;

	while ((rr = walk_next(&walk, family == 4 ? ARES_REC_TYPE_A : ARES_REC_TYPE_AAAA)) != NULL) {
		const void *ip = family == 4 ? (const void *)ares_dns_rr_get_addr(rr, ARES_RR_A_ADDR)
		                             : (const void *)ares_dns_rr_get_addr6(rr, ARES_RR_AAAA_ADDR);
		enum found_result result = ip == NULL ? FOUND_NO_HOST : found_add(found, family, ip, 0, 1);

		if (result == FOUND_NO_MEMORY)
			return ARES_ENOMEM;
		if (result == FOUND_SOME || status == ARES_ENODATA)
			status = result == FOUND_SOME ? ARES_SUCCESS : MESSAGE_NO_HOST;
	}
	return status;
}

int message_take_names(const struct message *message, char ***names)
{
	struct walk walk = walk_begin(message);
	size_t most = ares_dns_record_rr_cnt(message->record, ARES_SECTION_ANSWER), count = 0;
	const ares_dns_rr_t *rr;

	*names = calloc(most + 1, sizeof **names);
	if (*names == NULL)
		return ARES_ENOMEM;
	while (count < most && (rr = walk_next(&walk, ARES_REC_TYPE_PTR)) != NULL) {
		const char *name = ares_dns_rr_get_str(rr, ARES_RR_PTR_DNAME);

		(*names)[count] = strdup(name == NULL ? "" : name);
		if ((*names)[count++] == NULL)
			break;
	}
	if (count > 0 && (*names)[count - 1] != NULL)
		return ARES_SUCCESS;
	message_free_names(*names);
	*names = NULL;
	return count == 0 ? ARES_ENODATA : ARES_ENOMEM;
}

const char *message_complaint(const struct message *message, int type)
{
	bool has_wanted = false, has_alias = false;
	const ares_dns_rr_t *rr;

	for (size_t i = 0; (rr = ares_dns_record_rr_get_const(message->record, ARES_SECTION_ANSWER, i)) != NULL; i++) {
		ares_dns_rec_type_t this_type = ares_dns_rr_get_type(rr);

		if (this_type == ARES_REC_TYPE_CNAME && has_wanted)
			return "the server's answer has an address before the CNAME that leads to it";
		has_wanted = has_wanted || this_type == (ares_dns_rec_type_t)type;
		has_alias = has_alias || this_type == ARES_REC_TYPE_CNAME;
	}
	if (has_alias && !has_wanted)
		return "the server's answer is an alias (CNAME) that leads to no address";
	return "the server's answer has no record of the name that was asked for";
}

#endif
