/*
 * The gateway's own answers: the fallback, which is built when the configuration is read, and one-line errors. Neither needs
 * memory that might be short.
 */
#include "gateway/exchange/local_reply.h"

#include "gateway/base/text.h"
#include "gateway/exchange/filtering.h"
#include "gateway/exchange/forward_parts.h"

enum { ALLOW_MAX = 512, REASON_MAX = 256, PROXY_STATUS_MAX = 256, OWN_FIELDS_MAX = 1024 + FILTER_RESPONSE_BYTES_MAX };

static char *put_field_begin(char *to, const char *name)
{
	return text_put_literal(text_put_bytes(to, name, strlen(name)), ": ");
}

/* RFC 9209; details are static texts of our own without quotes. */
static char *write_proxy_status(char *to, const struct exchange *exchange)
{
	const struct outcome_row *row = &outcome_table[exchange->outcome];
	const char *details = exchange->why != NULL ? exchange->why : row->reason;

	to = text_put_literal(put_field_begin(to, "Proxy-Status"), "gateway");
	if (exchange->download.replaced_status != 0)
		to = text_put_number(text_put_literal(to, "; received-status="), exchange->download.replaced_status);
	if (row->proxy_error != NULL)
		to = text_put_bytes(text_put_literal(to, "; error="), row->proxy_error, strlen(row->proxy_error));
	to = text_put_bytes(text_put_literal(to, "; details=\""), details, strlen(details));
	return text_put_literal(to, "\"\r\n");
}

/* Most depend on the outcome alone, so each is written once. */
static char *put_proxy_status(char *to, const struct exchange *exchange)
{
	static _Thread_local struct {
		char text[PROXY_STATUS_MAX];
		size_t length;
	} written[OUTCOME_COUNT];
	enum outcome outcome = exchange->outcome;

	if (exchange->why != NULL || exchange->download.replaced_status != 0)
		return write_proxy_status(to, exchange);
	if (written[outcome].length == 0)
		written[outcome].length = (size_t)(write_proxy_status(written[outcome].text, exchange) - written[outcome].text);
	return text_put_bytes(to, written[outcome].text, written[outcome].length);
}

/* In whole seconds, rounded up, at least one (RFC 9110 section 10.2.3). */
static char *put_retry_after(char *to, const struct exchange *exchange)
{
	uint64_t seconds = (exchange->admission.retry_after_ms + 999) / 1000;

	to = text_put_number(put_field_begin(to, "Retry-After"), seconds == 0 ? 1 : seconds);
	return text_put_literal(to, "\r\n");
}

static char *put_filtered(char *to, struct exchange *exchange)
{
	const struct changes *changes;

	if (filtering_respond(exchange, NULL, &changes) && changes != NULL)
		to = put_changes(to, changes, &exchange->route->response_headers);
	return to;
}

static char *put_common(char *to, struct exchange *exchange)
{
	to = text_put_bytes(put_field_begin(to, "Date"), worker_wall(exchange->worker)->date, TEXT_HTTP_DATE);
	to = text_put_literal(to, "\r\n");
	if (outcome_table[exchange->outcome].fault != FAULT_NONE)
		to = put_proxy_status(to, exchange);
	return exchange->filters == NULL ? to : put_filtered(to, exchange);
}

static struct step send_reply(struct exchange *exchange, struct downstream_reply *reply)
{
	struct downstream *client = exchange->downstream;

	reply->status = exchange->download.status;
	if (exchange->request.method == METHOD_HEAD)
		reply->body.length = 0;
	exchange->download.reply_bytes = reply->body.length;
	switch (client->operations->reply(client, reply)) {
	case SEND_DONE:
	case SEND_PENDING:
		return step(STEP_DONE);
	case SEND_FAILED:
		return step_abort(OUTCOME_CLIENT_ABORTED);
	case SEND_NO_MEMORY:
		break;
	}
	return step_abort(OUTCOME_OUT_OF_MEMORY);
}

static struct step reply_fallback(struct exchange *exchange)
{
	const struct fallback *fallback = &exchange->route->fallback;
	char fields[OWN_FIELDS_MAX];
	struct downstream_reply reply = {
		.prepared = { fallback->head, fallback->head_length },
		.fields = fields,
		/* Beside a redirect Retry-After would say how long to wait before following that (RFC 9110 section 10.2.3). */
		.end = put_common(fallback->redirect == NULL ? put_retry_after(fields, exchange) : fields, exchange),
		.body = { fallback->body, fallback->body_length },
	};

	exchange->download.status = fallback->status;
	return send_reply(exchange, &reply);
}

/* The methods of the path (RFC 9110 sections 9.3.7 and 15.5.6). */
static char *put_allow(char *to, const struct exchange *exchange)
{
	const struct route *route = exchange->route;

	to = put_field_begin(to, "Allow");
	if (route != NULL)
		to += route_allowed_methods(exchange->snapshot->config, route, exchange->route_path, to, ALLOW_MAX);
	else
		to = text_put_literal(to, ROUTE_USUAL_METHODS);
	return text_put_literal(to, "\r\n");
}

static struct step reply_allow(struct exchange *exchange)
{
	char fields[OWN_FIELDS_MAX + ALLOW_MAX];
	struct downstream_reply reply = { .fields = fields, .end = put_common(put_allow(fields, exchange), exchange) };

	exchange->download.status = outcome_table[exchange->outcome].status;
	return send_reply(exchange, &reply);
}

/* The answer of a filter, and no more. */
static struct step reply_filtered(struct exchange *exchange, const struct filter_reply *own)
{
	char fields[OWN_FIELDS_MAX], *to = fields;
	struct downstream_reply reply = { .fields = fields, .body = own->body };

	if (exchange->download.status == 0)
		exchange->download.status = outcome_table[exchange->outcome].status;
	if (exchange->download.status != 204 && exchange->download.status != 304)
		to = text_put_literal(text_put_number(put_field_begin(to, "Content-Length"), own->body.length), "\r\n");
	reply.end = put_common(to, exchange);
	return send_reply(exchange, &reply);
}

static struct step reply_error(struct exchange *exchange)
{
	const struct outcome_row *row = &outcome_table[exchange->outcome];
	const char *why = exchange->why != NULL ? exchange->why : row->reason, *reason;
	char fields[OWN_FIELDS_MAX + ALLOW_MAX], body[REASON_MAX], *to, *end;
	struct downstream_reply reply = { .fields = fields, .body = { body, 0 } };

	if (exchange->download.status == 0)
		exchange->download.status = row->status;
	reason = status_reason(exchange->download.status);
	end = text_put_literal(text_put_bytes(body, reason, strlen(reason)), ": ");
	end = text_put_literal(text_put_bytes(end, why, strnlen(why, REASON_MAX / 2)), "\n");
	reply.body.length = (size_t)(end - body);
	to = text_put_literal(fields, "Content-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: ");
	to = text_put_literal(text_put_number(to, reply.body.length), "\r\n");
	if (exchange->download.status == 405)
		to = put_allow(to, exchange);
	reply.end = put_common(to, exchange);
	return send_reply(exchange, &reply);
}

struct step local_reply_send(struct exchange *exchange, enum outcome outcome)
{
	/* After a refusal nobody knows where the next request would begin. */
	exchange->downstream->keeps = exchange->request.wants_keep_alive && exchange->upload.is_whole &&
	                         outcome != OUTCOME_REQUEST_REFUSED && exchange->worker->state == WORKER_SERVING;
	exchange_enter(exchange, EXCHANGE_ANSWERING);
	if (filtering_reply(exchange) != NULL)
		return reply_filtered(exchange, filtering_reply(exchange));
	if (outcome_table[outcome].answer == ANSWER_FALLBACK)
		return reply_fallback(exchange);
	if (outcome_table[outcome].answer == ANSWER_ALLOW)
		return reply_allow(exchange);
	return reply_error(exchange);
}
