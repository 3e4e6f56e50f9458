/*
 * If the head tells the length of a body, the filter judges that and costs nothing more. For other bodies it counts the
 * bytes: the client gets what came before the limit, and then an end that it can't take for a complete response.
 */
#include "gateway/filter/body_limit.h"

struct body_limit {
	uint64_t bytes; /* so far */
};

static uint64_t limit_of(const struct filter *filter)
{
	return *(const uint64_t *)filter->settings;
}

static const void *settings_of(const struct route *route)
{
	return route->response_body_bytes == UINT64_MAX ? NULL : &route->response_body_bytes;
}

static enum filter_body look(struct filter_run *run, const struct filter *filter, const struct response *response)
{
	struct body_limit *state = filter_state(run, filter);

	state->bytes = 0; /* of another try's response */
	if (response->body.kind != BODY_LENGTH)
		return response->body.kind == BODY_NONE ? FILTER_BODY_PASS : FILTER_BODY_TAKE;
	if (response->body.length <= limit_of(filter))
		return FILTER_BODY_PASS;
	filter_answer(run, OUTCOME_RESPONSE_TOO_LARGE, NULL);
	return FILTER_BODY_REFUSE;
}

static bool count(struct filter_run *run, const struct filter *filter, struct pieces *pieces)
{
	struct body_limit *state = filter_state(run, filter);

	state->bytes += pieces_bytes(pieces);
	if (state->bytes <= limit_of(filter))
		return true;
	filter_answer(run, OUTCOME_RESPONSE_TOO_LARGE, NULL);
	return false;
}

const struct filter_type filter_body_limit = {
	.name = "response_body",
	.state_size = sizeof(struct body_limit),
	.settings_of = settings_of,
	.on_body = look,
	.on_pieces = count,
};
