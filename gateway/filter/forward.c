/*
 * Asks an authentication service with a GET without a body. The service gets the fields of the request that the route names,
 * and the request's facts in X-Forwarded-...: the path is the one that the route's upstream will get, before any rewriting,
 * so the two can't read it differently. A 2xx lets the request pass, with the fields of the answer that the route names; the
 * gateway removes what a client sends under these names, in every spelling. A 4xx or a redirect goes to the client.
 * Everything else is no answer, and without an answer no request passes.
 */
#include "gateway/filter/forward.h"

#include "gateway/base/container.h"
#include "gateway/base/text.h"
#include "gateway/filter/call.h"
#include "gateway/http/told.h"
#include "routes/path.h"

enum { OWN_FIELDS_MAX = 512 };

struct state {
	struct call call;
	struct filter_run *run;
	const struct filter *filter;
	bool has_begun, passes, does_not_fit;
	unsigned response_fields; /* how many there were before */
	unsigned status; /* of the answer */
};

static const void *settings_of(const struct route *route)
{
	return route->forward.enabled ? &route->forward : NULL;
}

static struct slice slice_of(const char *text)
{
	return (struct slice){ text, strlen(text) };
}

/* ---- the question -------------------------------------------------------------------------------------------------- */

static char *put_field(char *to, struct slice name, struct slice value)
{
	to = text_put_literal(text_put_slice(to, name), ": ");
	return text_put_literal(text_put_slice(to, value), "\r\n");
}

static bool is_wanted(const struct forward_settings *settings, struct slice name)
{
	for (size_t i = 0; i < settings->request_headers.count; i++)
		if (slice_equal_nocase(name, slice_of(settings->request_headers.list[i])))
			return true;
	return false;
}

static char *put_origin(char *to, const struct filter_run *run, const struct request *request, struct slice path)
{
	const struct filter_origin *origin = &run->origin;
	struct slice client = origin->asked_for.length > 0 ? origin->asked_for : origin->peer_text;
	struct told told = { .port = { NULL, 0 } };

	if (origin->is_trusted)
		told = told_read(request);
	to = put_field(to, SLICE("X-Forwarded-Method"), request->method_text);
	to = put_field(to, SLICE("X-Forwarded-Proto"), told.scheme.length > 0 ? told.scheme : SLICE("http"));
	to = put_field(to, SLICE("X-Forwarded-Host"), told.host.length > 0 ? told.host : request->host);
	to = text_put_slice(text_put_literal(to, "X-Forwarded-Uri: "), path);
	if (request->has_query)
		to = text_put_slice(text_put_literal(to, "?"), request->query);
	to = text_put_literal(to, "\r\n");
	to = put_field(to, SLICE("X-Forwarded-For"), client);
	return put_field(to, SLICE("X-Request-Id"), origin->request_id);
}

/* False: memory is short. */
static bool write_request(struct filter_run *run, struct state *state, const struct forward_settings *settings,
                          const struct request *request)
{
	const struct upstream_protocol *protocol = worker_local(run->origin.worker, settings->upstream->upstream)->protocol;
	const struct request own = { .method = METHOD_GET, .method_text = SLICE("GET"), .version_minor = 1 };
	const struct upstream_head head = { .request = &own, .path = slice_of(settings->path), .settings = settings->upstream };
	size_t room = protocol->head_room + head.path.length + strlen(settings->upstream->host) + OWN_FIELDS_MAX +
	              2 * request->head_length + 2 * request->fields.count;
	char *normalised = filter_room(run, request->path.length), *text = filter_room(run, room), *to;
	struct path_result path;

	if (normalised == NULL || text == NULL)
		return false;
	path = path_normalise(request->path.data, request->path.length, normalised);
	to = protocol->write_begin(text, &head);
	for (size_t i = 0; i < request->fields.count; i++) {
		const struct field *field = &request->fields.list[i];

		if (!field->is_hop_by_hop && is_wanted(settings, field->name))
			to = put_field(to, field->name, field->value);
	}
	to = put_origin(to, run, request, (struct slice){ path.path, path.length });
	to = protocol->write_end(to, &head);
	state->call.head = text;
	state->call.head_length = (size_t)(to - text);
	return true;
}

/* ---- the answer ---------------------------------------------------------------------------------------------------- */

/* All values of one name, joined as RFC 9110 section 5.3 allows. */
static struct slice value_of(struct filter_run *run, const struct response *response, struct slice name)
{
	size_t length = 0;
	char *text, *to;

	for (size_t i = 0; i < response->fields.count; i++)
		if (!response->fields.list[i].is_hop_by_hop && slice_equal_nocase(response->fields.list[i].name, name))
			length += response->fields.list[i].value.length + 2;
	text = to = length > 0 ? filter_room(run, length) : NULL;
	for (size_t i = 0; text != NULL && i < response->fields.count; i++) {
		const struct field *field = &response->fields.list[i];

		if (field->is_hop_by_hop || !slice_equal_nocase(field->name, name))
			continue;
		to = text_put_slice(to == text ? to : text_put_literal(to, ", "), field->value);
	}
	return (struct slice){ text, (size_t)(to - text) };
}

static void take_names(struct filter_run *run, const struct forward_settings *settings, const struct response *response)
{
	for (size_t i = 0; i < settings->response_headers.count; i++) {
		struct slice name = slice_of(settings->response_headers.list[i]), value = value_of(run, response, name);

		if (value.length > 0)
			filter_set_request_field(run, name, value);
	}
}

/* Not fields of its connection or its framing, nor those that the gateway writes itself. */
static bool reaches_client(const struct filter_run *run, const struct field *field)
{
	static const struct slice cors = SLICE("Access-Control-");

	if (field->is_hop_by_hop)
		return false;
	switch (field->id) {
	case FIELD_CONTENT_LENGTH:
	case FIELD_TRANSFER_ENCODING:
	case FIELD_CONNECTION:
	case FIELD_UPGRADE:
	case FIELD_VIA:
	case FIELD_DATE:
		return false;
	default:
		return run->origin.route->cors == NULL || field->name.length < cors.length ||
		       !slice_equal_nocase((struct slice){ field->name.data, cors.length }, cors);
	}
}

static void take_refusal(struct state *state, const struct response *response)
{
	struct filter_run *run = state->run;

	for (size_t i = 0; i < response->fields.count; i++) {
		const struct field *field = &response->fields.list[i];

		if (reaches_client(run, field) &&
		    !filter_add_response_field(run, filter_keep(run, field->name), filter_keep(run, field->value)))
			state->does_not_fit = true;
	}
}

static bool is_redirect(unsigned status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* True: the client gets this answer. */
static bool is_refusal(unsigned status)
{
	return is_redirect(status) || (status >= 400 && status < 500 && status != 407 && status != 408);
}

static bool on_head(struct call *call, const struct response *response)
{
	struct state *state = container_of(call, struct state, call);

	state->status = response->status;
	if (response->status >= 200 && response->status < 300) {
		state->passes = true;
		take_names(state->run, state->filter->settings, response);
		return false;
	}
	if (is_refusal(response->status))
		take_refusal(state, response);
	return is_refusal(response->status);
}

static void on_done(struct call *call)
{
	filter_resume(container_of(call, struct state, call)->run);
}

/* Why there is no answer; NULL: there is one. */
static const char *no_answer(const struct state *state)
{
	switch (state->call.state) {
	case CALL_ANSWERED:
		if (state->does_not_fit)
			break;
		return state->passes || is_refusal(state->status) ? NULL : "the authentication service reported a failure";
	case CALL_REFUSED:
		return "the authentication service's breaker is open";
	case CALL_CROWDED:
		return "too many requests wait for the authentication service";
	case CALL_NOWHERE:
		return "no endpoint of the authentication service is known";
	case CALL_LOST:
		return "the authentication service can't be reached";
	case CALL_LATE:
		return "the authentication service did not answer in time";
	case CALL_GARBAGE:
		return "the authentication service's answer is not valid";
	case CALL_WAITING:
	case CALL_NO_MEMORY:
		return "out of memory";
	case CALL_NO_PORT:
		return "no local port for a connection to the authentication service is free";
	case CALL_TOO_LONG:
		break;
	}
	return "the authentication service's answer is too long";
}

static enum filter_verdict judge(struct filter_run *run, struct state *state)
{
	const char *why = no_answer(state);

	if (why != NULL) {
		changes_cut(&run->response, state->response_fields);
		return filter_answer(run, OUTCOME_AUTH_UNAVAILABLE, why);
	}
	if (state->passes)
		return FILTER_CONTINUE;
	filter_answer(run, state->status == 401 || is_redirect(state->status) ? OUTCOME_UNAUTHORIZED : OUTCOME_FORBIDDEN,
	              "the authentication service refused the request");
	run->reply.status = state->status;
	run->reply.has_body = true;
	if (buffer_length(&state->call.body) > 0)
		run->reply.body = (struct slice){ buffer_bytes(&state->call.body), buffer_length(&state->call.body) };
	return FILTER_ANSWER;
}

/* ---- the hooks ----------------------------------------------------------------------------------------------------- */

static enum filter_verdict on_request(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	const struct forward_settings *settings = filter->settings;
	struct state *state = filter_state(run, filter);
	struct address room;

	for (size_t i = 0; i < settings->response_headers.count; i++)
		filter_remove_request_field(run, slice_of(settings->response_headers.list[i]));
	*state = (struct state){
		.run = run,
		.filter = filter,
		.response_fields = run->response.count,
		.call = { .worker = run->origin.worker, .snapshot = run->origin.snapshot, .settings = settings->upstream,
		          .client = *filter_client(run, &room), .on_head = on_head, .on_done = on_done },
	};
	if (!write_request(run, state, settings, request))
		return FILTER_CONTINUE; /* out_of_memory */
	state->has_begun = true;
	return call_begin(&state->call) == CALL_WAITING ? FILTER_WAIT : judge(run, state);
}

static enum filter_verdict on_resume(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	(void)request;
	return judge(run, filter_state(run, filter));
}

static void on_request_end(struct filter_run *run, const struct filter *filter)
{
	struct state *state = filter_state(run, filter);

	if (state->has_begun)
		call_end(&state->call);
}

const struct filter_type filter_forward = {
	.name = "auth.forward",
	.state_size = sizeof(struct state),
	.settings_of = settings_of,
	.on_request = on_request,
	.on_resume = on_resume,
	.on_end = on_request_end,
};
