/*
 * What an exchange owns: itself and four buffers, which are used again by the next one unless they grew large; and what it keeps
 * of the request's bytes, which don't stay where they were read.
 */
#include "gateway/exchange.h"

#include <stdlib.h>

#include "gateway/base/text.h"
#include "gateway/shed.h"

enum { BUFFER_KEPT_MOST = 8192, SPARE_MOST = 256 };

/* ---- memory -------------------------------------------------------------------------------------------------- */

static void recycle(struct buffer *buffer)
{
	if (buffer->size > BUFFER_KEPT_MOST)
		buffer_free(buffer);
	else
		buffer_clear(buffer);
}

void exchange_free(struct exchange *exchange)
{
	buffer_free(&exchange->raw);
	buffer_free(&exchange->head);
	buffer_free(&exchange->kept);
	buffer_free(&exchange->partial);
	free(exchange);
}

struct exchange *exchange_open(struct client *client)
{
	struct worker *worker = client->worker;
	struct exchange *exchange = worker->spare;

	if (exchange != NULL) {
		worker->spare = exchange->next_spare;
		worker->spare_count--;
		memset(exchange, 0, offsetof(struct exchange, next_spare));
	} else if ((exchange = calloc(1, sizeof *exchange)) == NULL) {
		client_close(client, true);
		shed_count(worker, SHED_NO_MEMORY);
		return NULL;
	}
	exchange->worker = worker;
	exchange->client = client;
	exchange->snapshot = snapshot_use(worker);
	exchange->began_us = client->head_began_us;
	client->exchange = exchange;
	counter_add(&worker->counters.requests_received, 1);
	worker_count_exchange(worker, 1);
	return exchange;
}

static void dig(struct grave *grave)
{
	struct exchange *exchange = (struct exchange *)((char *)grave - offsetof(struct exchange, grave));
	struct worker *worker = exchange->worker;

	if (worker->spare_count >= SPARE_MOST) {
		exchange_free(exchange);
		return;
	}
	recycle(&exchange->raw);
	recycle(&exchange->head);
	recycle(&exchange->kept);
	recycle(&exchange->partial);
	exchange->next_spare = worker->spare;
	worker->spare = exchange;
	worker->spare_count++;
}

void exchange_close(struct exchange *exchange)
{
	transfer_end(&exchange->upload);
	transfer_end(&exchange->download);
	snapshot_release(exchange->worker, exchange->snapshot);
	worker_count_exchange(exchange->worker, -1);
	io_bury(&exchange->worker->io, &exchange->grave, dig);
}

/* ---- what is kept of the request ----------------------------------------------------------------------------- */

static struct slice rebase(struct slice slice, const char *from, const char *to)
{
	return slice.length == 0 ? (struct slice){ NULL, 0 } : (struct slice){ to + (slice.data - from), slice.length };
}

/* Only what can't harm a log line or a header is believed. */
static bool is_sane_request_id(struct slice id)
{
	if (id.length == 0 || id.length > REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < id.length; i++)
		if (id.data[i] <= ' ' || id.data[i] >= 0x7f || id.data[i] == '"' || id.data[i] == '\\')
			return false;
	return true;
}

static void make_request_id(struct exchange *exchange)
{
	struct random *random = &exchange->worker->random;

	text_put_hex16(text_put_hex16(exchange->request_id, random_next(random)), random_next(random));
	exchange->request_id_length = 32;
}

/* traceparent is "version-traceid-parentid-flags" (W3C Trace Context section 3.2). */
static struct slice trace_id_of(struct slice traceparent)
{
	if (traceparent.length < 55 || traceparent.data[2] != '-' || traceparent.data[35] != '-')
		return (struct slice){ NULL, 0 };
	return (struct slice){ traceparent.data + 3, 32 };
}

/* The last of a list "1.2.3.4, 5.6.7.8"; what is left of the list stays in it. */
static struct slice take_last(struct slice *list)
{
	const char *end = list->data + list->length, *from = end;

	while (from > list->data && from[-1] != ',')
		from--;
	list->length = from > list->data ? (size_t)(from - 1 - list->data) : 0;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct slice){ from, (size_t)(end - from) };
}

/* Some proxies write the port as well: 192.0.2.1:80, [2001:db8::1]:80. It is taken off `text`. */
static bool parse_ip(struct address *address, struct slice *text)
{
	char copy[ADDRESS_TEXT_MAX];
	bool has_brackets;
	const char *end;

	if (text->length == 0 || text->length >= sizeof copy)
		return false;
	memcpy(copy, text->data, text->length);
	copy[text->length] = '\0';
	if (!address_parse(address, copy, 1))
		return false;
	has_brackets = copy[0] == '[';
	end = has_brackets ? strchr(copy, ']') : address->family == 4 ? strchr(copy, ':') : NULL;
	if (end != NULL)
		*text = (struct slice){ text->data + has_brackets, (size_t)(end - copy) - has_brackets };
	return true;
}

/* Whom a trusted proxy asks for: from the end of X-Forwarded-For the first who is no trusted proxy, too. What is no address ends
 * the search, as nobody vouches for what stands before it. */
static struct slice find_client(const struct exchange *exchange, const struct request *request)
{
	struct slice found = { NULL, 0 };
	struct address address;

	for (size_t i = request->fields.count; i-- > 0;) {
		const struct field *field = &request->fields.list[i];
		struct slice list = field->value;

		if (field->id != FIELD_X_FORWARDED_FOR || field->is_hop_by_hop)
			continue;
		while (list.length > 0) {
			struct slice last = take_last(&list);

			if (!parse_ip(&address, &last))
				return found;
			found = last;
			if (!config_trusts(exchange->snapshot->config, &address))
				return found;
		}
	}
	return found;
}

bool exchange_keep_request(struct exchange *exchange, const struct request *request, const char *begin)
{
	size_t length = request->head_length;
	bool is_id_believed = false;

	exchange->is_trusted = config_trusts(exchange->snapshot->config, &exchange->client->peer);
	exchange->method = request->method;
	exchange->version_minor = (uint8_t)request->version_minor;
	exchange->wants_keep_alive = request->keep_alive;
	exchange->expects_continue = request->expects_continue;
	exchange->wants_upgrade = request->wants_upgrade;
	if (!buffer_append(&exchange->raw, begin, length))
		return false;
	exchange->method_text = rebase(request->method_text, begin, exchange->raw.data);
	exchange->target = rebase(request->target, begin, exchange->raw.data);
	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.list[i];
		struct slice value = rebase(field->value, begin, exchange->raw.data);

		if (field->id == FIELD_USER_AGENT)
			exchange->user_agent = value;
		else if (field->id == FIELD_REFERER)
			exchange->referer = value;
		else if (field->id == FIELD_TRACEPARENT)
			exchange->trace_id = trace_id_of(value);
		else if (field->id == FIELD_X_REQUEST_ID && exchange->is_trusted && is_sane_request_id(value)) {
			is_id_believed = true;
			/* What is sane is not empty. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
			memcpy(exchange->request_id, value.data, value.length);
			exchange->request_id_length = (uint8_t)value.length;
		}
	}
	if (!is_id_believed)
		make_request_id(exchange);
	if (exchange->is_trusted && fields_have(&request->fields, FIELD_BIT(FIELD_X_FORWARDED_FOR)))
		exchange->asked_for = rebase(find_client(exchange, request), begin, exchange->raw.data);
	return true;
}

void exchange_keep_line(struct exchange *exchange, const struct request *request)
{
	const char *begin = request->method_text.data, *end;

	make_request_id(exchange);
	if (begin == NULL)
		return;
	end = request->target.length > 0 ? request->target.data + request->target.length : begin + request->method_text.length;
	if (!buffer_append(&exchange->raw, begin, (size_t)(end - begin)))
		return;
	exchange->method_text = rebase(request->method_text, begin, exchange->raw.data);
	exchange->target = rebase(request->target, begin, exchange->raw.data);
	exchange->method = request->method;
}
