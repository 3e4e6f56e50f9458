/*
 * The gateway formats the line by hand into the worker's log buffer: printf would cost more than the rest of the request.
 * Each value that a client chooses is cut to a maximal length, so that a line always fits, and escaped, so that none can
 * forge another line.
 */
#include "gateway/exchange/record.h"

#include "gateway/base/bytes.h"
#include "gateway/base/text.h"
#include "gateway/exchange/state.h"
#include "gateway/exchange/keep.h"

/* The room of a value after escaping. With the fixed parts and the numbers, the line stays under ACCESS_LOG_LINE_MAX. */
enum { PATH_ROOM = 1200, AGENT_ROOM = 600, REFERER_ROOM = 600, SHORT_ROOM = 256 };

/* Printable ASCII except quote and backslash. */
static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

/* How many bytes need no escape. */
static size_t plain_length(struct slice text)
{
	size_t length = 0;

	for (; length + BYTES <= text.length; length += BYTES) {
		bytes16 here = bytes_load(text.data + length);
		unsigned first = bytes_first((here < ' ') | (here > '~') | (here == '"') | (here == '\\'));

		if (first < BYTES)
			return length + first;
	}
	while (length < text.length && is_plain((unsigned char)text.data[length]))
		length++;
	return length;
}

static char *put_escape(char *to, unsigned char c)
{
	if (c == '"' || c == '\\') {
		*to++ = '\\';
		*to++ = (char)c;
		return to;
	}
	to = text_put_literal(to, "\\u00");
	*to++ = "0123456789abcdef"[c >> 4];
	*to++ = "0123456789abcdef"[c & 15];
	return to;
}

/* Escapes the other bytes as JSON; leaves out what has no room. */
static char *put_escaped(char *to, struct slice text, size_t room)
{
	const char *end = to + room;

	for (;;) {
		size_t plain = plain_length(text);

		if (plain > (size_t)(end - to))
			plain = (size_t)(end - to);
		to = text_put_bytes(to, text.data, plain);
		if (plain == text.length || to + 6 > end)
			return to;
		to = put_escape(to, (unsigned char)text.data[plain]);
		text = (struct slice){ text.data + plain + 1, text.length - plain - 1 };
	}
}

static char *put_string(char *to, struct slice text, size_t room)
{
	if (text.data == NULL)
		return text_put_literal(to, "null");
	*to++ = '"';
	to = put_escaped(to, text, room);
	*to++ = '"';
	return to;
}

/* For texts that need no escape: our own words, and methods and targets that the parser accepted. */
static char *put_checked(char *to, struct slice words, size_t room)
{
	if (words.data == NULL)
		return text_put_literal(to, "null");
	*to++ = '"';
	to = text_put_bytes(to, words.data, words.length < room ? words.length : room);
	*to++ = '"';
	return to;
}

static char *put_words(char *to, struct slice words)
{
	return put_checked(to, words, SHORT_ROOM);
}

static struct slice slice_of(const char *text)
{
	return (struct slice){ text, text == NULL ? 0 : strlen(text) };
}

/* Milliseconds with three decimals; null if that point was not reached. */
static char *put_span(char *to, uint64_t from_us, uint64_t until_us)
{
	uint64_t span_us;

	if (from_us == 0 || until_us < from_us)
		return text_put_literal(to, "null");
	span_us = until_us - from_us;
	to = text_put_number(to, span_us / 1000);
	*to++ = '.';
	return text_put_3(to, (unsigned)(span_us % 1000));
}

static char *put_iso_time(char *to, const struct wall *wall)
{
	to = text_put_bytes(to, wall->iso, WALL_ISO);
	to = text_put_3(to, wall->ms);
	*to++ = 'Z';
	return to;
}

static uint64_t bytes_out(const struct exchange *exchange)
{
	return exchange->download.bytes + exchange->download.reply_bytes;
}

static struct slice client_of(const struct exchange *exchange)
{
	const struct downstream *client = exchange->downstream;

	return exchange->request.asked_for.length > 0 ? exchange->request.asked_for
	                                      : (struct slice){ client->peer_text, client->peer_text_length };
}

static struct slice endpoint_of(const struct exchange *exchange)
{
	if (exchange->attempt.endpoint_text_length == 0)
		return (struct slice){ NULL, 0 };
	return (struct slice){ exchange->endpoint_text, exchange->attempt.endpoint_text_length };
}

#define KEY(to, name) text_put_literal((to), ",\"" name "\":")

static const struct text_word outcome_members[OUTCOME_COUNT] = {
#define OUTCOME_MEMBER(name, label, ...) \
	[OUTCOME_##name] = TEXT_WORD(",\"outcome\":\"" label "\""),
	OUTCOMES(OUTCOME_MEMBER)
#undef OUTCOME_MEMBER
};

static const struct text_word breaker_members[] = {
	TEXT_WORD(",\"breaker\":null"),
#define BREAKER_MEMBER(name, label) [1 + BREAKER_##name] = TEXT_WORD(",\"breaker\":\"" label "\""),
	BREAKER_STATES(BREAKER_MEMBER)
#undef BREAKER_MEMBER
};

static char *put_json(char *to, const struct exchange *exchange, uint64_t now_us)
{
	const struct route *route = exchange->route;

	to = text_put_literal(to, "{\"time\":\"");
	to = text_put_literal(put_iso_time(to, worker_wall(exchange->worker)), "\"");
	to = put_words(KEY(to, "client"), client_of(exchange));
	to = put_words(KEY(to, "method"), exchange->request.method_text);
	to = put_checked(KEY(to, "path"), exchange->request.target, PATH_ROOM);
	to = route == NULL ? text_put_literal(to, ",\"route\":null,\"upstream\":null")
	                   : text_put_bytes(to, route->log_names, route->log_names_length);
	to = put_words(KEY(to, "endpoint"), endpoint_of(exchange));
	to = text_put_number(KEY(to, "status"), exchange->download.status);
	to = text_put_word(to, &outcome_members[exchange->outcome]);
	if (exchange->why != NULL)
		to = put_words(KEY(to, "reason"), slice_of(exchange->why));
	to = text_put_word(to, &breaker_members[exchange->admission.breaker_seen]);
	to = text_put_number(KEY(to, "attempts"), exchange->attempt.count);
	if (exchange->admission.waited_us != 0)
		to = put_span(KEY(to, "waited_ms"), 1, 1 + exchange->admission.waited_us);
	to = text_put_number(KEY(to, "bytes_in"), exchange->upload.bytes);
	to = text_put_number(KEY(to, "bytes_out"), bytes_out(exchange));
	to = put_span(KEY(to, "duration_ms"), exchange->timeline.began_us, now_us);
	to = put_span(KEY(to, "connect_ms"), exchange->timeline.attempt_us, exchange->timeline.connected_us);
	to = put_span(KEY(to, "response_ms"), exchange->timeline.attempt_us, exchange->timeline.response_us);
	to = put_words(KEY(to, "request_id"), (struct slice){ exchange->request_id, exchange->request.id_length });
	to = put_string(KEY(to, "trace_id"), exchange->request.trace_id, SHORT_ROOM);
	to = put_string(KEY(to, "user_agent"), exchange->request.user_agent, AGENT_ROOM);
	return text_put_literal(to, "}\n");
}

/* "2026-03-01T12:00:00." to "01/Mar/2026:12:00:00 +0000" */
static char *put_clf_time(char *to, const char *iso)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int month = (iso[5] - '0') * 10 + iso[6] - '0';

	to = text_put_literal(text_put_bytes(to, iso + 8, 2), "/");
	to = text_put_literal(text_put_bytes(to, months + (size_t)3 * (month - 1), 3), "/");
	to = text_put_literal(text_put_bytes(to, iso, 4), ":");
	return text_put_literal(text_put_bytes(to, iso + 11, 8), " +0000");
}

static char *put_or_dash(char *to, struct slice text, size_t room)
{
	return text.length == 0 ? text_put_literal(to, "-") : put_escaped(to, text, room);
}

static char *put_combined(char *to, const struct exchange *exchange)
{
	to = text_put_slice(to, client_of(exchange));
	to = text_put_literal(put_clf_time(text_put_literal(to, " - - ["), worker_wall(exchange->worker)->iso), "] \"");
	to = text_put_literal(put_or_dash(to, exchange->request.method_text, SHORT_ROOM), " ");
	to = text_put_literal(put_or_dash(to, exchange->request.target, PATH_ROOM), " HTTP/1.");
	*to++ = (char)('0' + exchange->downstream->version_minor % 10);
	to = text_put_number(text_put_literal(to, "\" "), exchange->download.status);
	to = text_put_literal(text_put_number(text_put_literal(to, " "), bytes_out(exchange)), " \"");
	to = text_put_literal(put_or_dash(to, exchange->request.referer, REFERER_ROOM), "\" \"");
	return text_put_literal(put_or_dash(to, exchange->request.user_agent, AGENT_ROOM), "\"\n");
}

/* The upstream's answer, judged by the settings of this moment, because a reload may change them. The breaker judged the same
 * way, except for failures that say nothing about the service (settle_permit()). */
static enum replaced replaced_of(const struct exchange *exchange)
{
	if (upstream_settings_is_failure_status(exchange_upstream(exchange), exchange->download.replaced_status))
		return REPLACED_FAILURE;
	return exchange->download.replaced_status / 100 == 4 ? REPLACED_BAD_REQUEST : REPLACED_SUCCESS;
}

/* Counts the tries at the present upstream. Returns the status that it is counted under. */
static inline unsigned count_tries(struct exchange *exchange, unsigned status, enum outcome outcome)
{
	unsigned tries = exchange->attempt.count - exchange->attempt.earlier;

	if (outcome == OUTCOME_REPLACED && exchange->route != NULL)
		status |= (unsigned)replaced_of(exchange) << METRICS_REPLACED_SHIFT;
	if (tries > 1) {
		status |= METRICS_RETRIED;
		counter_add(&exchange->worker->counters.retries, tries - 1);
	}
	return status;
}

void record_detoured(struct exchange *exchange, enum outcome outcome)
{
	struct worker *worker = exchange->worker;
	unsigned status = count_tries(exchange, outcome_table[outcome].status, outcome);

	metrics_count(exchange->route->detoured, worker->index, exchange->request.method, status, outcome,
	              io_now_us(&worker->io) - exchange->timeline.began_us);
}

void record(struct exchange *exchange)
{
	struct worker *worker = exchange->worker;
	struct route_metrics *metrics = exchange->route == NULL ? worker->shared->unrouted : exchange->route->counters;
	const struct config *config = exchange->snapshot->config;
	bool has_failed = outcome_table[exchange->outcome].fault != FAULT_NONE;
	uint64_t now_us = io_now_us(&worker->io), until_us = now_us, took_us;
	unsigned status;
	char *line, *end;

	if (exchange->download.status == 0) /* nothing went to the client; the log says why */
		exchange->download.status = outcome_table[exchange->outcome].status;
	status = count_tries(exchange, exchange->download.status, exchange->outcome);
	if (exchange->outcome == OUTCOME_UPGRADED)
		until_us = exchange->timeline.response_us; /* the length of a conversation is no latency */
	took_us = until_us - exchange->timeline.began_us;
	metrics_count(metrics, worker->index, exchange->request.method, status, exchange->outcome, took_us);
	counter_add(&worker->counters.bytes_in, exchange->upload.bytes);
	counter_add(&worker->counters.bytes_out, bytes_out(exchange));
	if (has_failed || took_us >= config->slow_ms * UINT64_C(1000))
		keep_request(exchange, until_us);
	line = has_failed || took_us >= config->access_log_when_ms * UINT64_C(1000) ? access_log_room(&worker->log) : NULL;
	if (line == NULL)
		return;
	end = config->access_log_format == ACCESS_LOG_COMBINED ? put_combined(line, exchange)
	                                                                          : put_json(line, exchange, now_us);
	access_log_add(&worker->log, (size_t)(end - line));
}
