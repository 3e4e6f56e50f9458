/*
 * Answers preflights, refuses requests of pages that are not allowed, and writes Access-Control-... into every response in
 * place of the upstream's. That includes fallbacks, refusals and errors: otherwise a browser would hide from its page why a
 * request failed.
 *
 * A request without Origin, or with the request's own origin, comes from no other origin. If answers differ by
 * origin, Vary tells caches so, also in answers to requests without Origin.
 */
#include "gateway/filter/cors.h"

#include <stdlib.h>

#include "gateway/base/bytes.h"
#include "gateway/base/text.h"
#include "gateway/http/request.h"
#include "gateway/http/told.h"

/* The answer repeats them if any may be sent; all fields of an answer must fit into FILTER_RESPONSE_BYTES_MAX. */
enum { REQUESTED_HEADERS_MAX = 2048 };

enum cors_verdict { CORS_NONE, CORS_PREFLIGHT, CORS_REFUSED_PREFLIGHT };

struct cors_state {
	enum cors_verdict verdict;
	struct slice lines; /* for the origin of the request; data NULL: ready->lines */
	struct slice method, headers; /* of a preflight: the method that it asks for */
};

/* What an answer to one origin says, in whole lines, without those that the operator's response_headers set or remove: first Vary,
 * then what it may do, last which fields it may read. */
struct origin_lines {
	struct slice origin, lines;
};

/* Made when the configuration is read. */
struct ready {
	struct slice lines; /* for a request that has none of the origins */
	size_t vary_length, expose_length; /* of all lines */
	uint32_t methods; /* bits of the known ones that pages may use */
	size_t count;
	struct origin_lines answers[]; /* for the origins that are listed, unless all are allowed; what is in them lies behind */
};

#define VARY "Vary: Origin\r\n"
#define ALLOW_ORIGIN "Access-Control-Allow-Origin: "
#define CREDENTIALS "Access-Control-Allow-Credentials: true\r\n"
#define EXPOSE "Access-Control-Expose-Headers: "

static const void *settings_of(const struct route *route)
{
	return route->cors;
}

/* ---- the lines ----------------------------------------------------------------------------------------------------- */

static bool is_left(const struct filter *filter, const char *line)
{
	const struct header_edits *edits = &filter->route->response_headers;
	const struct slice name = { line, strcspn(line, ":") };

	for (size_t i = 0; i < edits->count; i++)
		if (edits->edits[i].kind != HEADER_ADD &&
		    slice_equal_nocase(name, (struct slice){ edits->edits[i].name, edits->edits[i].name_length }))
			return false;
	return true;
}

/* At most. */
static size_t lines_length(const struct cors *cors, size_t origin_length)
{
	return sizeof VARY ALLOW_ORIGIN "\r\n" CREDENTIALS EXPOSE "\r\n" + origin_length + strlen(cors->expose_text);
}

/* Into `room`; the lengths of their parts are the same for all origins. */
static struct slice write_lines(struct ready *ready, const struct filter *filter, struct slice origin, char *room)
{
	const struct cors *cors = filter->settings;
	char *to = stpcpy(room, cors->any_origin || !is_left(filter, VARY) ? "" : VARY), *expose;

	ready->vary_length = (size_t)(to - room);
	if (is_left(filter, ALLOW_ORIGIN))
		to = text_put_literal(text_put_slice(text_put_literal(to, ALLOW_ORIGIN), origin), "\r\n");
	expose = stpcpy(to, cors->credentials && is_left(filter, CREDENTIALS) ? CREDENTIALS : "");
	to = expose;
	if (cors->expose_text[0] != '\0' && is_left(filter, EXPOSE))
		to = stpcpy(stpcpy(stpcpy(to, EXPOSE), cors->expose_text), "\r\n");
	ready->expose_length = (size_t)(to - expose);
	return (struct slice){ room, (size_t)(to - room) };
}

static size_t all_length(const struct cors *cors)
{
	size_t length = lines_length(cors, 1);

	for (size_t i = 0; i < cors->origins.count; i++)
		length += lines_length(cors, strlen(cors->origins.list[i]));
	return length;
}

static bool create(struct filter *filter)
{
	const struct cors *cors = filter->settings;
	struct ready *ready = calloc(1, sizeof *ready + cors->origins.count * sizeof *ready->answers + all_length(cors));
	char *room;

	if (ready == NULL)
		return false;
	room = (char *)&ready->answers[cors->origins.count];
	ready->lines = write_lines(ready, filter, SLICE("*"), room);
	room += ready->lines.length;
	if (!cors->any_origin)
		ready->lines.length = ready->vary_length;
	for (; !cors->any_origin && ready->count < cors->origins.count; ready->count++) {
		const char *text = cors->origins.list[ready->count];
		struct origin_lines *answer = &ready->answers[ready->count];

		answer->origin = (struct slice){ text, strlen(text) };
		answer->lines = write_lines(ready, filter, answer->origin, room);
		room += answer->lines.length;
	}
	for (size_t i = 0; i < cors->methods.count; i++)
		ready->methods |= UINT32_C(1) << method_identify((struct slice){ cors->methods.list[i], strlen(cors->methods.list[i]) });
	ready->methods &= ~(UINT32_C(1) << METHOD_OTHER); /* each of those has its name */
	filter->shared = ready;
	return true;
}

static void destroy(struct filter *filter)
{
	free(filter->shared);
}

/* ---- the request --------------------------------------------------------------------------------------------------- */

#define FIND(request, known) find((request), (known), sizeof(known) - 1)

/* `known` is in small letters. */
static inline const struct field *find(const struct request *request, const char *known, size_t length)
{
	for (const struct field *field = request->fields.list, *end = field + request->fields.count; field < end; field++) {
		if (field->name.length == length && field->id == FIELD_OTHER && field_name_is(field->name.data, known, length))
			return field;
	}
	return NULL;
}

/* Browsers send one; empty: there are several, and no page has two origins. */
static struct slice origin_of(const struct request *request, const struct field *first)
{
	for (const struct field *field = first + 1; field < request->fields.list + request->fields.count; field++)
		if (FIELD_IS(field, "origin"))
			return (struct slice){ NULL, 0 };
	return first->value;
}

bool cors_is_preflight(const struct request *request, struct slice *method)
{
	const struct field *asked;

	if (request->method != METHOD_OPTIONS || FIND(request, "origin") == NULL)
		return false;
	asked = FIND(request, "access-control-request-method");
	if (asked == NULL)
		return false;
	*method = asked->value;
	return true;
}

static bool allows_headers(const struct cors *cors, const struct request *request)
{
	for (size_t i = 0; i < request->fields.count; i++) {
		struct slice list = request->fields.list[i].value, one;

		if (!FIELD_IS(&request->fields.list[i], "access-control-request-headers"))
			continue;
		while (field_list_take(&list, &one))
			if (one.length > 0 && !cors_allows_header(cors, one.data, one.length))
				return false;
	}
	return true;
}

static enum filter_verdict refuse(struct filter_run *run, const char *why)
{
	return filter_answer(run, OUTCOME_FORBIDDEN, why);
}

static enum filter_verdict answer_preflight(struct filter_run *run, const struct cors *cors, struct cors_state *state,
                                            const struct request *request)
{
	const struct field *headers = FIND(request, "access-control-request-headers");

	state->verdict = CORS_REFUSED_PREFLIGHT;
	if (!cors_allows_method(cors, state->method.data, state->method.length))
		return refuse(run, "cors: pages of other origins may not use this method");
	if (!allows_headers(cors, request) || (headers != NULL && headers->value.length > REQUESTED_HEADERS_MAX))
		return refuse(run, "cors: pages of other origins may not send this header");
	state->verdict = CORS_PREFLIGHT;
	if (cors->any_method)
		state->method = filter_keep(run, state->method);
	if (headers != NULL)
		state->headers = cors->any_header ? filter_keep(run, headers->value)
		                                  : (struct slice){ cors->headers_text, strlen(cors->headers_text) };
	filter_answer(run, OUTCOME_ANSWERED_HERE, NULL);
	run->reply.has_body = true;
	return FILTER_ANSWER;
}

/* By the word of a trusted proxy, if there is one: the Host may be a name that only the proxy knows. */
static bool is_same_origin(const struct filter_run *run, const struct request *request, struct slice origin)
{
	struct told told = { .host = { NULL, 0 } };
	struct cors_own_origin own;

	if (run->origin.is_trusted)
		told = told_read(request);
	if (told.host.length == 0)
		told.host = request->host;
	own = (struct cors_own_origin){ told.scheme.data, told.host.data,   told.port.data,
		                        told.scheme.length, told.host.length, told.port.length };
	return cors_is_same_origin(origin.data, origin.length, &own);
}

/* For one that fits a pattern. */
static struct slice make_lines(struct filter_run *run, const struct filter *filter, struct slice origin)
{
	struct ready parts;
	char *room = filter_room(run, lines_length(filter->settings, origin.length));

	return room == NULL ? (struct slice){ NULL, 0 } : write_lines(&parts, filter, origin, room);
}

static enum filter_verdict refuse_origin(struct filter_run *run, struct cors_state *state, const struct request *request,
                                         struct slice origin, bool is_preflight)
{
	if (!is_preflight && is_same_origin(run, request, origin))
		return FILTER_CONTINUE;
	state->verdict = is_preflight ? CORS_REFUSED_PREFLIGHT : CORS_NONE;
	return refuse(run, "cors: pages of this origin may not use the route");
}

/* Out of line: most requests are simple. */
static __attribute__((noinline)) enum filter_verdict judge(struct filter_run *run, const struct filter *filter,
                                                           const struct request *request, struct slice origin)
{
	const struct cors *cors = filter->settings;
	struct cors_state *state = filter_state(run, filter);
	bool is_preflight = cors_is_preflight(request, &state->method);

	if (state->lines.data == NULL) {
		if (!cors_allows_origin(cors, origin.data, origin.length))
			return refuse_origin(run, state, request, origin, is_preflight);
		if (!cors->any_origin && (state->lines = make_lines(run, filter, origin)).data == NULL)
			return FILTER_CONTINUE; /* out_of_memory */
	}
	if (is_preflight)
		return answer_preflight(run, cors, state, request);
	/* A page of the same origin may use any method. */
	if (!cors_allows_method(cors, request->method_text.data, request->method_text.length) && !is_same_origin(run, request, origin))
		return refuse(run, "cors: pages of other origins may not use this method");
	return FILTER_CONTINUE;
}

/* The lines for an origin that is listed; data NULL: it is not. */
static inline struct slice find_lines(const struct ready *ready, struct slice origin)
{
	if (origin.data == NULL)
		return origin;
	for (size_t i = 0; i < ready->count; i++)
		if (bytes_equal(ready->answers[i].origin.data, ready->answers[i].origin.length, origin.data, origin.length))
			return ready->answers[i].lines;
	return (struct slice){ NULL, 0 };
}

static enum filter_verdict on_arrival(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	const struct ready *ready = filter->shared;
	struct cors_state *state = filter_state(run, filter);
	const struct field *field = FIND(request, "origin");
	struct slice origin;

	if (field == NULL)
		return FILTER_CONTINUE;
	origin = origin_of(request, field);
	state->lines = find_lines(ready, origin);
	if (state->lines.data == NULL || (ready->methods >> request->method & 1) == 0 || request->method == METHOD_OPTIONS)
		return judge(run, filter, request, origin);
	return FILTER_CONTINUE;
}

/* ---- the response -------------------------------------------------------------------------------------------------- */

struct seen {
	bool has_own;          /* the upstream says something about access, too */
	bool varies_by_origin; /* ... and tells caches that its answer does */
};

/* One walk; the first byte tells most names apart. */
static inline struct seen look_at(const struct fields *fields)
{
	static const char prefix[] = "access-control-";
	struct seen seen = { .has_own = false };

	for (const struct field *field = fields->list, *end = field + fields->count; field < end; field++) {
		char first = field->name.data[0] | 0x20;

		if (first == 'a' && field->name.length >= sizeof prefix - 1)
			seen.has_own |= field_name_is(field->name.data, prefix, sizeof prefix - 1);
		else if (first == 'v' && FIELD_IS(field, "vary"))
			seen.varies_by_origin |= field_list_has(field->value, SLICE("Origin")) || field_list_has(field->value, SLICE("*"));
	}
	return seen;
}

static struct slice after(struct slice lines, size_t length)
{
	return (struct slice){ lines.data + length, lines.length - length };
}

static void put(struct filter_run *run, struct slice name, const char *text)
{
	if (text[0] != '\0')
		filter_add_response_field(run, name, (struct slice){ text, strlen(text) });
}

/* Out of line: a browser asks rarely, and keeps the answer. */
static __attribute__((noinline)) void respond_to_preflight(struct filter_run *run, const struct filter *filter, struct slice lines)
{
	const struct cors *cors = filter->settings;
	const struct ready *ready = filter->shared;
	const struct cors_state *state = filter_state(run, filter);

	filter_add_response_field(run, SLICE("Vary"), SLICE("Origin, Access-Control-Request-Method, Access-Control-Request-Headers"));
	if (state->verdict == CORS_PREFLIGHT)
		lines.length -= ready->expose_length;
	filter_set_response_lines(run, after(lines, ready->vary_length));
	if (state->verdict != CORS_PREFLIGHT)
		return;
	if (cors->any_method)
		filter_add_response_field(run, SLICE("Access-Control-Allow-Methods"), state->method);
	else
		put(run, SLICE("Access-Control-Allow-Methods"), cors->methods_text);
	if (state->headers.length > 0)
		filter_add_response_field(run, SLICE("Access-Control-Allow-Headers"), state->headers);
	put(run, SLICE("Access-Control-Max-Age"), cors->max_age_text);
}

static void on_response(struct filter_run *run, const struct filter *filter, const struct response *response)
{
	const struct ready *ready = filter->shared;
	const struct cors_state *state = filter_state(run, filter);
	struct slice lines = state->lines.data != NULL ? state->lines : ready->lines;

	if (state->verdict != CORS_NONE) { /* there is no other response */
		respond_to_preflight(run, filter, lines);
		return;
	}
	if (response != NULL) {
		struct seen seen = look_at(&response->fields);

		if (seen.varies_by_origin)
			lines = after(lines, ready->vary_length);
		if (seen.has_own)
			filter_remove_response_fields(run, SLICE("Access-Control-"));
	}
	filter_set_response_lines(run, lines);
}

const struct filter_type filter_cors = {
	.name = "cors",
	.state_size = sizeof(struct cors_state),
	.settings_of = settings_of,
	.create = create,
	.destroy = destroy,
	.on_arrival = on_arrival,
	.on_response = on_response,
};
