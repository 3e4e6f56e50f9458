/*
 * What the gateway says itself: the fallback, which stands ready since the configuration was read, and one-line errors.
 * Neither needs memory that might be short.
 */
#include "gateway/exchange.h"

#include <errno.h>

#include "gateway/base/text.h"

enum { OWN_FIELDS_MAX = 1024, ALLOW_MAX = 512, WORDS_MAX = 256 };

static char *put_field_begin(char *to, const char *name)
{
	return text_put_literal(text_put_bytes(to, name, strlen(name)), ": ");
}

/* RFC 9209; details are our own static words, which hold no quotes. */
static char *put_proxy_status(char *to, const struct exchange *exchange)
{
	const struct outcome_row *row = &outcome_table[exchange->outcome];
	const char *details = exchange->why != NULL ? exchange->why : row->words;

	to = text_put_literal(put_field_begin(to, "Proxy-Status"), "gateway");
	if (exchange->replaced_status != 0)
		to = text_put_number(text_put_literal(to, "; received-status="), exchange->replaced_status);
	if (row->proxy_error != NULL)
		to = text_put_bytes(text_put_literal(to, "; error="), row->proxy_error, strlen(row->proxy_error));
	to = text_put_bytes(text_put_literal(to, "; details=\""), details, strlen(details));
	return text_put_literal(to, "\"\r\n");
}

/* In whole seconds, rounded up, at least one (RFC 9110 section 10.2.3). */
static char *put_retry_after(char *to, const struct exchange *exchange)
{
	uint64_t seconds = (exchange->retry_after_ms + 999) / 1000;

	to = text_put_number(put_field_begin(to, "Retry-After"), seconds == 0 ? 1 : seconds);
	return text_put_literal(to, "\r\n");
}

static char *put_common(char *to, const struct exchange *exchange)
{
	to = text_put_bytes(put_field_begin(to, "Date"), worker_wall(exchange->worker)->date, TEXT_HTTP_DATE);
	to = text_put_literal(to, "\r\n");
	to = put_proxy_status(to, exchange);
	if (!exchange->keeps_client)
		to = text_put_literal(to, "Connection: close\r\n");
	else if (exchange->version_minor == 0)
		to = text_put_literal(to, "Connection: keep-alive\r\n");
	return text_put_literal(to, "\r\n");
}

static void send_reply(struct exchange *exchange, struct iovec *parts, int count)
{
	if (exchange_send(exchange, parts, count, true) == SEND_FAILED)
		exchange_abort(exchange, errno == ENOMEM ? OUTCOME_OUT_OF_MEMORY : OUTCOME_CLIENT_ABORTED);
	else
		exchange_finish(exchange);
}

static void reply_fallback(struct exchange *exchange)
{
	const struct fallback *fallback = &exchange->route->fallback;
	char fields[OWN_FIELDS_MAX], *to = fields;
	struct iovec parts[3] = {
		{ (char *)fallback->head, fallback->head_length },
		{ fields, 0 },
		{ (char *)fallback->body, fallback->body_length },
	};

	exchange->status = fallback->status;
	to = put_retry_after(to, exchange);
	to = put_common(to, exchange);
	parts[1].iov_len = (size_t)(to - fields);
	if (exchange->method != METHOD_HEAD)
		exchange->reply_bytes = fallback->body_length;
	send_reply(exchange, parts, exchange->reply_bytes > 0 ? 3 : 2);
}

/* 405 tells what would be allowed (RFC 9110 section 15.5.6). */
static char *put_allow(char *to, const struct exchange *exchange)
{
	const struct route *route = exchange->route;

	to = put_field_begin(to, "Allow");
	if (route != NULL)
		to += route_allowed_methods(exchange->snapshot->config, route->host == NULL ? "" : route->host,
		                            route->host == NULL ? 0 : strlen(route->host), route->path, route->path_length, to,
		                            ALLOW_MAX);
	else
		to = text_put_literal(to, "GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE");
	return text_put_literal(to, "\r\n");
}

static void reply_error(struct exchange *exchange)
{
	const struct outcome_row *row = &outcome_table[exchange->outcome];
	const char *words = exchange->why != NULL ? exchange->why : row->words;
	char head[OWN_FIELDS_MAX + ALLOW_MAX], body[WORDS_MAX], *to = head, *end;
	struct iovec parts[2];
	const char *reason;

	if (exchange->status == 0)
		exchange->status = row->status;
	reason = status_reason(exchange->status);
	end = text_put_literal(text_put_bytes(body, reason, strlen(reason)), ": ");
	end = text_put_literal(text_put_bytes(end, words, strnlen(words, WORDS_MAX / 2)), "\n");
	to = text_put_literal(to, "HTTP/1.1 ");
	to = text_put_literal(text_put_number(to, exchange->status), " ");
	to = text_put_bytes(to, reason, strlen(reason));
	to = text_put_literal(to, "\r\nContent-Type: text/plain; charset=utf-8\r\nCache-Control: no-store\r\nContent-Length: ");
	to = text_put_literal(text_put_number(to, (uint64_t)(end - body)), "\r\n");
	if (exchange->status == 405)
		to = put_allow(to, exchange);
	to = put_common(to, exchange);
	parts[0] = (struct iovec){ head, (size_t)(to - head) };
	parts[1] = (struct iovec){ body, (size_t)(end - body) };
	if (exchange->method != METHOD_HEAD)
		exchange->reply_bytes = (size_t)(end - body);
	send_reply(exchange, parts, exchange->reply_bytes > 0 ? 2 : 1);
}

void reply(struct exchange *exchange)
{
	/* After a refusal nobody knows where the next request would begin. */
	exchange->keeps_client = exchange->wants_keep_alive && exchange->upload.is_whole &&
	                         exchange->outcome != OUTCOME_REQUEST_REFUSED && exchange->worker->state == WORKER_SERVING;
	exchange_enter(exchange, EXCHANGE_ANSWERING);
	if (outcome_table[exchange->outcome].answer == ANSWER_FALLBACK)
		reply_fallback(exchange);
	else
		reply_error(exchange);
}
