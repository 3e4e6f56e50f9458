#include "gateway/exchange/keep.h"

#include <stdlib.h>
#include <string.h>

#include "breaker/names.h"
#include "gateway/base/kept.h"
#include "gateway/exchange/state.h"
#include "gateway/worker/worker.h"

/* Up to the head of its response: the client decides how long a download takes. */
static bool is_slow(const struct exchange *exchange, uint64_t now_us)
{
	const struct exchange_timeline *at = &exchange->timeline;
	uint64_t until_us = at->response_us != 0 ? at->response_us : now_us;
	uint64_t from_us = at->asked_us > at->began_us && at->asked_us <= until_us ? at->asked_us : at->began_us;
	uint64_t slow_call_ms = exchange->route == NULL ? 0 : exchange->route->upstream->breaker.slow_call_ms;

	if (slow_call_ms == 0 || slow_call_ms > CONFIG_SLOW_MS)
		slow_call_ms = CONFIG_SLOW_MS;
	return until_us - from_us >= slow_call_ms * 1000;
}

static enum kept_kind kind_of(const struct exchange *exchange)
{
	switch (outcome_table[exchange->outcome].fault) {
	case FAULT_CLIENT:
		return KEPT_CLIENT;
	case FAULT_GATEWAY:
		return KEPT_REFUSED;
	case FAULT_UPSTREAM:
		return exchange->attempt.count == 0 ? KEPT_REFUSED : KEPT_FAILED;
	case FAULT_NONE:
		break;
	}
	return KEPT_SLOW;
}

static void put(char *to, size_t room, const char *from, size_t length)
{
	if (length > room)
		length = room;
	if (length > 0)
		memcpy(to, from, length);
	if (length < room)
		to[length] = '\0';
}

static uint64_t since(const struct exchange *exchange, uint64_t at_us)
{
	return at_us == 0 || at_us < exchange->timeline.began_us ? UINT64_MAX : at_us - exchange->timeline.began_us;
}

static void fill(const struct exchange *exchange, enum kept_kind kind, uint64_t now_us)
{
	const struct outcome_row *row = &outcome_table[exchange->outcome];
	const struct exchange_timeline *at = &exchange->timeline;
	struct worker *worker = exchange->worker;
	const struct wall *wall = worker_wall(worker);
	const char *upstream = exchange->route == NULL ? "" : exchange->route->upstream->name;
	uint8_t breaker = exchange->admission.breaker_seen;
	struct kept_request *kept;

	kept = kept_place(&worker->kept, kind);
	if (kept == NULL)
		return;
	kept->wall_ms = wall->s * 1000 + wall->ms;
	kept->kind = kind;
	kept->status = exchange->download.status;
	kept->attempts = exchange->attempt.count;
	kept->outcome = row->name;
	kept->reason = exchange->why != NULL ? exchange->why : row->fault == FAULT_NONE ? NULL : row->reason;
	kept->breaker = breaker == 0 ? NULL : breaker_state_name((enum breaker_state)(breaker - 1));
	kept->attempt_us = since(exchange, at->attempt_us);
	kept->connected_us = since(exchange, at->connected_us);
	kept->sent_us = since(exchange, at->sent_us);
	kept->first_byte_us = since(exchange, at->response_us);
	kept->whole_us = since(exchange, now_us);
	kept->waited_us = exchange->admission.waited_us;
	put(kept->method, sizeof kept->method, exchange->request.method_text.data, exchange->request.method_text.length);
	put(kept->path, sizeof kept->path, exchange->request.target.data, exchange->request.target.length);
	put(kept->upstream, sizeof kept->upstream, upstream, strlen(upstream));
	put(kept->endpoint, sizeof kept->endpoint, exchange->endpoint_text, exchange->attempt.endpoint_text_length);
	put(kept->id, sizeof kept->id, exchange->request_id, exchange->request.id_length);
}

void keep_request(const struct exchange *exchange, uint64_t now_us)
{
	enum kept_kind kind = kind_of(exchange);

	if ((kind != KEPT_SLOW || is_slow(exchange, now_us)) && !kept_is_full(&exchange->worker->kept, kind, now_us))
		fill(exchange, kind, now_us);
}

void keep_tell(struct worker *worker, uint64_t question)
{
	struct kept_list *list = kept_copy(&worker->kept);

	if (list == NULL)
		return;
	list->question = question;
	list->worker = worker->index;
	if (!inbox_send(&worker->shared->control, CONTROL_KEPT, NULL, list))
		free(list);
}
