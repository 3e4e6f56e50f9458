#include "gateway/filter/basic.h"

#include "gateway/filter/passwords.h"

enum { TIMEOUT_MS = 10000 }; /* against a thread that hangs */

struct state {
	struct filter_run *run;
	struct password_check *check; /* under way */
	enum password_verdict verdict;
};

static const void *settings_of(const struct route *route)
{
	return route->basic.enabled ? &route->basic : NULL;
}

/* ---- answers ------------------------------------------------------------------------------------------------- */

static enum filter_verdict challenge(struct filter_run *run, const struct filter *filter, const char *why)
{
	const struct basic_settings *settings = filter->settings;

	filter_set_response_field(run, SLICE("WWW-Authenticate"), (struct slice){ settings->challenge, strlen(settings->challenge) });
	return filter_answer(run, OUTCOME_UNAUTHORIZED, why);
}

static enum filter_verdict unavailable(struct filter_run *run)
{
	filter_set_response_field(run, SLICE("Retry-After"), SLICE("1"));
	return filter_answer(run, OUTCOME_AUTH_UNAVAILABLE, "too many passwords wait to be checked");
}

static enum filter_verdict judge(struct filter_run *run, const struct filter *filter, enum password_verdict verdict)
{
	if (verdict == PASSWORD_UNKNOWN)
		return unavailable(run);
	if (verdict == PASSWORD_WRONG)
		return challenge(run, filter, "wrong name or password");
	filter_remove_request_field(run, SLICE("Authorization"));
	return FILTER_CONTINUE;
}

/* ---- the question -------------------------------------------------------------------------------------------- */

static uint64_t client_of(const struct filter_run *run)
{
	struct address room;
	const struct address *client = filter_client(run, &room);
	const uint8_t *bytes;
	size_t length = address_client(client, &bytes);
	uint64_t number = 0;

	memcpy(&number, bytes, length);
	return number;
}

static void on_answer(void *context, enum password_verdict verdict)
{
	struct state *state = context;

	state->verdict = verdict;
	filter_resume(state->run);
}

static enum filter_verdict ask(struct filter_run *run, const struct filter *filter, const struct basic_credentials *credentials)
{
	const struct basic_settings *settings = filter->settings;
	const struct htpasswd_user *user = htpasswd_find(&settings->users, credentials->name);
	struct password_question question = { .credentials = credentials, .is_user = user != NULL, .client = client_of(run) };
	struct worker *worker = run->origin.worker;
	struct state *state = filter_state(run, filter);

	question.hash = user != NULL ? user->hash : passwords_decoy(&settings->users, credentials->name);
	if (question.hash == NULL)
		return judge(run, filter, PASSWORD_WRONG);
	state->verdict = passwords_look(&question, worker_now_ms(worker));
	if (state->verdict != PASSWORD_UNKNOWN)
		return judge(run, filter, state->verdict);
	state->run = run;
	state->check = passwords_ask(worker, &question, on_answer, state);
	return state->check == NULL ? unavailable(run) : filter_wait(run, TIMEOUT_MS);
}

static enum filter_verdict on_request(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	struct basic_credentials credentials;
	bool are_several;
	const struct field *field = filter_find_field(&request->fields, SLICE("Authorization"), &are_several);
	enum filter_verdict verdict;

	if (field == NULL)
		return challenge(run, filter, NULL);
	if (are_several || !basic_credentials_parse(&credentials, field->value.data, field->value.length))
		return challenge(run, filter, "Authorization holds no name and password");
	verdict = ask(run, filter, &credentials);
	explicit_bzero(&credentials, sizeof credentials);
	return verdict;
}

static enum filter_verdict on_resume(struct filter_run *run, const struct filter *filter, const struct request *request)
{
	(void)request;
	return judge(run, filter, ((struct state *)filter_state(run, filter))->verdict);
}

static void on_give_up(struct filter_run *run, const struct filter *filter, bool is_late)
{
	(void)is_late;
	passwords_cancel(((struct state *)filter_state(run, filter))->check);
}

const struct filter_type filter_basic = {
	.name = "basic",
	.state_size = sizeof(struct state),
	.settings_of = settings_of,
	.on_request = on_request,
	.on_resume = on_resume,
	.on_give_up = on_give_up,
};
