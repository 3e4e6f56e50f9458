/*
 * A request at its arrival: keeps those of its bytes that are needed later, because the buffer that it was read into is used
 * again; finds its route; and writes the upstream's head.
 */
#include "gateway/exchange/intake.h"

#include <stdlib.h>

#include "gateway/base/text.h"
#include "gateway/exchange/named_client.h"
#include "gateway/filter/cors.h"
#include "routes/expression.h"
#include "routes/path.h"

/* ---- what is kept of the request ----------------------------------------------------------------------------- */

static struct slice rebase(struct slice slice, const char *from, const char *to)
{
	return slice.length == 0 ? (struct slice){ NULL, 0 } : (struct slice){ to + (slice.data - from), slice.length };
}

/* Only an id that can't harm a log line or a header is accepted. */
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
	exchange->request.id_length = 32;
}

/* traceparent is "version-traceid-parentid-flags" (W3C Trace Context section 3.2). */
static struct slice trace_id_of(struct slice traceparent)
{
	if (traceparent.length < 55 || traceparent.data[2] != '-' || traceparent.data[35] != '-')
		return (struct slice){ NULL, 0 };
	return (struct slice){ traceparent.data + 3, 32 };
}

bool intake_keep(struct exchange *exchange, const struct request *request, const char *begin)
{
	const uint32_t kept = FIELD_BIT(FIELD_USER_AGENT) | FIELD_BIT(FIELD_REFERER) | FIELD_BIT(FIELD_TRACEPARENT) |
	                      FIELD_BIT(FIELD_X_REQUEST_ID);
	size_t length = request->head_length, count = fields_have(&request->fields, kept) ? request->fields.count : 0;
	bool is_id_believed = false;

	exchange->request.is_trusted = exchange->snapshot->config->trusted_proxy_count > 0 &&
	                               config_trusts(exchange->snapshot->config, &exchange->downstream->peer);
	exchange->request.method = request->method;
	exchange->downstream->version_minor = (uint8_t)request->version_minor;
	exchange->request.wants_keep_alive = request->keep_alive;
	exchange->request.expects_continue = request->expects_continue;
	if (!buffer_append(&exchange->raw, begin, length))
		return false;
	exchange->request.method_text = rebase(request->method_text, begin, exchange->raw.data);
	exchange->request.target = rebase(request->target, begin, exchange->raw.data);
	if (request->wants_upgrade)
		exchange->request.upgrade = rebase(request->upgrade, begin, exchange->raw.data);
	for (size_t i = 0; i < count; i++) {
		const struct field *field = &request->fields.list[i];
		struct slice value = rebase(field->value, begin, exchange->raw.data);

		if (field->id == FIELD_USER_AGENT)
			exchange->request.user_agent = value;
		else if (field->id == FIELD_REFERER)
			exchange->request.referer = value;
		else if (field->id == FIELD_TRACEPARENT)
			exchange->request.trace_id = trace_id_of(value);
		else if (field->id == FIELD_X_REQUEST_ID && exchange->request.is_trusted && is_sane_request_id(value)) {
			is_id_believed = true;
			/* What is sane is not empty. NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker) */
			memcpy(exchange->request_id, value.data, value.length);
			exchange->request.id_length = (uint8_t)value.length;
		}
	}
	if (!is_id_believed)
		make_request_id(exchange);
	if (exchange->request.is_trusted &&
	    fields_have(&request->fields, FIELD_BIT(FIELD_X_FORWARDED_FOR) | FIELD_BIT(FIELD_FORWARDED)))
		exchange->request.asked_for = rebase(named_client_find(exchange->snapshot->config, request), begin, exchange->raw.data);
	return true;
}

void intake_keep_line(struct exchange *exchange, const struct request *request)
{
	const char *begin = request->method_text.data, *end;

	make_request_id(exchange);
	if (begin == NULL)
		return;
	end = request->target.length > 0 ? request->target.data + request->target.length
	      : begin + request->method_text.length;
	if (!buffer_append(&exchange->raw, begin, (size_t)(end - begin)))
		return;
	exchange->request.method_text = rebase(request->method_text, begin, exchange->raw.data);
	exchange->request.target = rebase(request->target, begin, exchange->raw.data);
	exchange->request.method = request->method;
}

/* ---- its route, and its head ----------------------------------------------------------------------------------- */

static struct step stop(struct exchange *exchange, enum outcome outcome, const char *why)
{
	exchange->why = why;
	return step_fail(outcome);
}

/* Has the request been through this gateway before (RFC 9110 section 7.6.3)? */
static bool is_looping(const struct exchange *exchange, const struct request *request)
{
	const struct shared *shared = exchange->worker->shared;
	size_t count = fields_have(&request->fields, FIELD_BIT(FIELD_VIA)) ? request->fields.count : 0;

	for (size_t i = 0; i < count; i++) {
		const struct field *field = &request->fields.list[i];

		if (field->id == FIELD_VIA &&
		    memmem(field->value.data, field->value.length, shared->name, sizeof shared->name) != NULL)
			return true;
	}
	return false;
}

static struct route_match ask_routes(const struct exchange *exchange, const struct request *request, const char *path,
                                     size_t length)
{
	return route_find(exchange->snapshot->config, request->host_name.data, request->host_name.length, path, length,
	                  request->method_text.data, request->method_text.length);
}

/* False: the path has two readings, with two routes. */
static inline __attribute__((always_inline)) bool match_route(const struct exchange *exchange, const struct request *request,
                        const struct path_result *normal, char *room, struct route_match *match)
{
	size_t length;

	if (!normal->has_parameters && !normal->has_encoded_semicolon) {
		*match = ask_routes(exchange, request, normal->path, normal->length);
		return true;
	}
	length = path_strip_parameters(normal->path, normal->length, false, room);
	*match = ask_routes(exchange, request, room, length);
	length = path_strip_parameters(normal->path, normal->length, true, room);
	return ask_routes(exchange, request, room, length).route == match->route;
}

/* The answer lists the methods of the path. */
static struct step stop_for_method(struct exchange *exchange, const struct request *request, const struct path_result *path,
                                   char *room, enum outcome outcome)
{
	size_t length = path_strip_parameters(path->path, path->length, false, room);

	exchange->route_path = route_find_path(exchange->snapshot->config, request->host_name.data, request->host_name.length, room,
	                                       length);
	return stop(exchange, outcome, NULL);
}

/* The room after the normalised path, for another reading of it. */
static char *room_for_path(const struct exchange *exchange, const struct request *request)
{
	return exchange->worker->head + request->path.length;
}

/* A preflight concerns the route that the later request will take, if that route answers preflights. Out of line: few
 * requests are preflights. */
static __attribute__((noinline)) bool is_preflight(const struct exchange *exchange, const struct request *request,
                                                   const struct path_result *normal, struct route_match *match)
{
	struct request other = *request;

	return cors_is_preflight(request, &other.method_text) &&
	       match_route(exchange, &other, normal, room_for_path(exchange, request), match) && match->route != NULL &&
	       match->route->cors != NULL;
}

struct step intake_find_route(struct exchange *exchange, const struct request *request, struct intake_route *found)
{
	struct path_result *normal = &found->normal;
	struct route_match match;

	if (request->path.data[0] == '*')
		return stop(exchange, OUTCOME_ANSWERED_HERE, NULL);
	*normal = path_normalise(request->path.data, request->path.length, exchange->worker->head);
	if (normal->verdict == PATH_REFUSED)
		return stop(exchange, OUTCOME_REQUEST_REFUSED, normal->why);
	if (!(request->method == METHOD_OPTIONS && is_preflight(exchange, request, normal, &match)) &&
	    !match_route(exchange, request, normal, room_for_path(exchange, request), &match))
		return stop(exchange, OUTCOME_REQUEST_REFUSED, "encoded semicolon in a path that without it has another route");
	if (match.verdict == ROUTE_NOT_FOUND)
		return stop(exchange, OUTCOME_NOT_FOUND, NULL);
	exchange->route = match.route;
	found->verdict = match.verdict;
	return step(STEP_NEXT);
}

struct step intake_check_route(struct exchange *exchange, const struct request *request, const struct intake_route *found)
{
	const struct path_result *normal = &found->normal;
	char *room = room_for_path(exchange, request);

	if (normal->verdict == PATH_NORMALISED &&
	    route_was_escaped(exchange->snapshot->config, request->host_name.data, request->host_name.length, request->path.data,
	                      request->path.length, normal->path, normal->length, room))
		return stop(exchange, OUTCOME_REQUEST_REFUSED, "dot segments lead out of the route's prefix");
	if (found->verdict == ROUTE_METHOD_NOT_ALLOWED)
		return stop_for_method(exchange, request, normal, room, OUTCOME_METHOD_NOT_ALLOWED);
	/* The gateway answers itself, as the last recipient. An operator who lets clients pass a TRACE on need not want to
	 * show their requests here. */
	if (request->has_max_forwards && request->max_forwards == 0)
		return stop_for_method(exchange, request, normal, room,
		                       request->method == METHOD_OPTIONS ? OUTCOME_ANSWERED_HERE : OUTCOME_METHOD_NOT_ALLOWED);
	if (is_looping(exchange, request))
		return stop(exchange, OUTCOME_LOOP_DETECTED, NULL);
	if ((request->body.kind == BODY_LENGTH ? request->body.length
	     : exchange->upload.bytes) > exchange->route->request_body_bytes)
		return stop(exchange, OUTCOME_REQUEST_TOO_LARGE, NULL);
	return step(STEP_NEXT);
}

/* Out of line: few routes have an expression. */
__attribute__((noinline)) struct step intake_rewrite(struct exchange *exchange, const struct request *request,
                                                     struct intake_route *found)
{
	struct path_result *normal = &found->normal;
	char *room = room_for_path(exchange, request);
	struct expression_result result = expression_rewrite(exchange->route->expression, normal->path, normal->length, room);

	if (result.verdict == EXPRESSION_REFUSED)
		return stop(exchange, OUTCOME_REQUEST_REFUSED, result.why);
	if (result.verdict == EXPRESSION_NO_MEMORY)
		return stop(exchange, OUTCOME_OUT_OF_MEMORY, NULL);
	found->removed = (struct slice){ NULL, 0 };
	if (result.verdict == EXPRESSION_MATCHED) {
		if (result.length < normal->length &&
		    memcmp(normal->path + normal->length - result.length, room, result.length) == 0)
			found->removed = (struct slice){ normal->path, normal->length - result.length };
		normal->path = room;
		normal->length = result.length;
	}
	return step(STEP_NEXT);
}

/* Points slices into the bytes that were kept. The path may stand elsewhere: an absolute target without one has "/". */
static void rebase_all(struct request *request, const char *from, size_t length, const char *to)
{
	struct slice *const slices[] = { &request->method_text, &request->target, &request->path, &request->query,
		                             &request->host, &request->host_name, &request->upgrade };

	for (size_t i = 0; i < sizeof slices / sizeof *slices; i++)
		if ((uintptr_t)slices[i]->data - (uintptr_t)from <= length)
			*slices[i] = rebase(*slices[i], from, to);
	for (size_t i = 0; i < request->fields.count; i++) {
		struct field *field = &request->fields.list[i];

		field->name = rebase(field->name, from, to);
		field->value = rebase(field->value, from, to);
	}
}

bool intake_save(struct exchange *exchange, const struct request *request, const char *begin)
{
	size_t count = request->fields.count;
	struct intake_saved *saved = malloc(sizeof *saved + count * sizeof *saved->fields);

	if (saved == NULL)
		return false;
	saved->request = *request;
	saved->request.fields.list = saved->fields;
	if (count > 0)
		memcpy(saved->fields, request->fields.list, count * sizeof *saved->fields);
	rebase_all(&saved->request, begin, buffer_length(&exchange->raw), exchange->raw.data);
	exchange->saved = saved;
	return true;
}

const struct request *intake_saved(struct exchange *exchange, struct intake_route *found)
{
	const struct request *request = &exchange->saved->request;

	found->normal = path_normalise(request->path.data, request->path.length, exchange->worker->head);
	found->verdict = ROUTE_FOUND;
	return request;
}

void intake_forget(struct exchange *exchange)
{
	free(exchange->saved);
	exchange->saved = NULL;
}

bool intake_write_head(struct exchange *exchange, const struct request *request, const struct intake_route *found)
{
	const struct downstream *client = exchange->downstream;
	const struct changes *changes = exchange->filters == NULL ? NULL : filter_request_changes(exchange->filters);
	const struct slice path = { found->normal.path, found->normal.length };
	struct origin origin = {
		.peer = { client->peer_text, client->peer_text_length },
		.is_ipv6 = client->peer.family == 6,
		.is_trusted = exchange->request.is_trusted,
		.request_id = { exchange->request_id, exchange->request.id_length },
		.name = { client->worker->shared->name, sizeof client->worker->shared->name },
	};

	const struct upstream_protocol *protocol = exchange_protocol(exchange);
	size_t bound = forward_request_bound(request, exchange->route, protocol) + (changes == NULL ? 0 : changes->bytes);
	const char *end;

	if (!buffer_reserve(&exchange->head, bound))
		return false;
	if (exchange->route->expression != NULL)
		origin.removed = found->removed;
	end = forward_request(exchange->head.data, request, exchange->route, path, &origin, changes, protocol);
	exchange->head.to = (size_t)(end - exchange->head.data);
	return true;
}
