#include "tests/fuzz/rules.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/tokens.h"

enum { ASKED_MOST = 256, BODY_MOST = 1024, RATE_BURST = 2, RATE_EACH_US = 500 * 1000, USER_MOST = 64, METHOD_MOST = 15 };

/* The two files: a user "u" with the password "p", and a key. */
static const char users_file[] = "u:$1$s$e3cU4diUKuLjXnDANdfhU0\n";
static const char right_password[] = "dTpw"; /* Base64 has no other spelling of "u:p" */

const char rules_config[] =
	"upstreams:\n  one: { url: http://tasks.one:1 }\n  two: { url: http://tasks.two:3 }\n  auth: { url: http://tasks.auth:4 }\n"
	"routes:\n"
	"  - { path: /basic, upstream: two, auth: { basic: { file: users } }, fallback: { body: away, upstream: one } }\n"
	"  - { path: /cors, upstream: two, auth: { basic: { file: users } }, fallback: { body: away, on_statuses: [418] },\n"
	"      cors: { origins: ['http://good'], methods: [GET, PUT], headers: [X-Own], expose: [X-Tag], credentials: on,\n"
	"              max_age: 5s } }\n"
	"  - { path: /token, upstream: one, rate_limit: { rate: 2/s, burst: 2, key: jwt:sub }, fallback: { upstream: two },\n"
	"      auth: { jwt: { jwks: keys, issuer: i, audiences: [h], algorithms: [ES256], leeway: 0s, forward_token: off,\n"
	"                     claims_to_headers: { X-User: sub } } } }\n"
	"  - { path: /forward, upstream: one, fallback: away,\n"
	"      auth: { forward: { upstream: auth, path: /check, request_headers: [Cookie], response_headers: [X-User] } } }\n"
	"  - { path: /rate, upstream: one, rate_limit: { rate: 2/s, burst: 2, key: client, headers: on } }\n"
	"  - { path: /body, upstream: two, response_body: 1KiB, fallback: { body: away, on_statuses: [418], upstream: one } }\n"
	"  - { path: /fields, upstream: one, request_headers: { set: { X-Set: s }, add: { X-Add: a }, remove: [Cookie] },\n"
	"      response_headers: { set: { X-Set: s }, add: { X-Add: a }, remove: [Server] }, response_body: 1KiB }\n"
	"  - { path: /regex, upstream: one, rewrite: { regex: '^/regex/(?<rest>[a-z]*)', replacement: '/new/${rest}' },\n"
	"      fallback: { upstream: two } }\n";

enum rule {
	RULE_NONE, RULE_BASIC, RULE_CORS, RULE_TOKEN, RULE_FORWARD, RULE_RATE, RULE_BODY, RULE_FIELDS, RULE_REGEX,
	RULE_QUESTION, /* to the authentication service */
};

static const struct {
	const char *path;
	enum rule rule;
} paths[] = {
	{ "/basic", RULE_BASIC },     { "/cors", RULE_CORS }, { "/token", RULE_TOKEN },   { "/forward", RULE_FORWARD },
	{ "/rate", RULE_RATE },       { "/body", RULE_BODY }, { "/fields", RULE_FIELDS }, { "/regex", RULE_REGEX },
	{ "/new", RULE_REGEX },       { "/check", RULE_QUESTION },
};

/* The lines of a head, each with its '\n'. */
struct head {
	const char *text;
	size_t length;
};

/* A request as its client sent it. */
struct asked {
	const struct peer *client;
	unsigned number; /* of this client's */
	uint64_t at_us;
	bool has_arrived;
	enum rule rule; /* NONE: of none, or the target takes some reading */
	char method[16];
	struct head head;
	char bytes[JUDGE_HEAD_BYTES];
};

/* A request as it reached an upstream. */
struct seen {
	enum rule rule;
	const struct peer *connection, *client;
	struct asked *asked; /* NULL: nobody knows which */
	char id[JUDGE_ID];
	bool is_again; /* another try of one that was seen */
	bool is_answered, has_user, is_user_unclear; /* a question */
	unsigned status;
	char user[USER_MOST];
};

static struct {
	bool are_on;
	bool is_blind; /* an upstream has answered before it had the head: nobody knows what reached it */
	struct asked asked[ASKED_MOST];
	unsigned asked_count;
	struct seen seen[RULES_ARRIVALS];
	int seen_count;
} rules;

void rules_begin(void)
{
	rules.are_on = true;
	rules.is_blind = false;
	rules.asked_count = 0;
	rules.seen_count = 0;
}

void rules_end(void)
{
	rules.are_on = false;
}

void rules_answer_early(void)
{
	rules.is_blind = true;
}

const char *rules_file(const char *path)
{
	return strcmp(path, "users") == 0 ? users_file : strcmp(path, "keys") == 0 ? WORLD_KEYS : NULL;
}

const char *rules_token(unsigned number)
{
	return number < sizeof world_tokens / sizeof *world_tokens ? world_tokens[number].text : NULL;
}

/* ---- heads ------------------------------------------------------------------------------------------------------- */

struct text {
	const char *data;
	size_t length;
};

static bool is_text(struct text text, const char *other)
{
	return text.data != NULL && text.length == strlen(other) && memcmp(text.data, other, text.length) == 0;
}

/* As some servers fold names: "X_User", "X.User". */
static bool is_like(const char *name, size_t length, const char *wanted)
{
	if (length != strlen(wanted))
		return false;
	for (size_t i = 0; i < length; i++) {
		char folded = name[i] == '_' || name[i] == '.' ? '-' : name[i];

		if (strncasecmp(&folded, &wanted[i], 1) != 0)
			return false;
	}
	return true;
}

/* The next field; false: there is no other. `at` begins at 0. */
static bool next_field(struct head head, size_t *at, struct text *name, struct text *value)
{
	const char *line, *end, *colon;

	if (*at == 0)
		*at = (size_t)((const char *)memchr(head.text, '\n', head.length) + 1 - head.text);
	if (*at >= head.length)
		return false;
	line = head.text + *at;
	end = memchr(line, '\n', head.length - *at);
	colon = memchr(line, ':', (size_t)(end - line));
	*at = (size_t)(end + 1 - head.text);
	*name = (struct text){ line, (size_t)(colon - line) };
	for (colon++; colon < end && (*colon == ' ' || *colon == '\t'); colon++)
		;
	while (end > colon && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*value = (struct text){ colon, (size_t)(end - colon) };
	return true;
}

static bool is_same(const char *name, size_t length, const char *wanted)
{
	return length == strlen(wanted) && strncasecmp(name, wanted, length) == 0;
}

/* How many names match; the last one's value. */
static unsigned count_by(struct head head, bool (*matches)(const char *name, size_t length, const char *wanted),
                         const char *wanted, struct text *last)
{
	struct text name, value;
	unsigned found = 0;

	for (size_t at = 0; next_field(head, &at, &name, &value);)
		if (matches(name.data, name.length, wanted)) {
			found++;
			if (last != NULL)
				*last = value;
		}
	return found;
}

static unsigned count_like(struct head head, const char *wanted, struct text *last)
{
	return count_by(head, is_like, wanted, last);
}

static bool is_only(struct head head, const char *name, const char *wanted)
{
	struct text value = { NULL, 0 };

	return count_like(head, name, &value) == 1 && is_text(value, wanted);
}

static struct text target_of(struct head head)
{
	const char *end = memchr(head.text, '\n', head.length), *first = memchr(head.text, ' ', head.length);

	return (struct text){ first + 1, (size_t)(end - 9 - (first + 1)) };
}

/* Parameters of a segment (";x") are no part of what a route is found by. */
static bool is_below(struct text target, const char *path)
{
	size_t length = strlen(path);

	return target.length >= length && memcmp(target.data, path, length) == 0 &&
	       (target.length == length || memchr("/?;", target.data[length], 3) != NULL);
}

static enum rule rule_of(struct text target)
{
	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (is_below(target, paths[i].path))
			return paths[i].rule;
	return RULE_NONE;
}

/* Nothing that a path could be normalised by. */
static bool is_plain(struct text target)
{
	for (size_t i = 0; i < target.length && target.data[i] != '?'; i++) {
		char c = target.data[i];

		if (!(c >= 'a' && c <= 'z') && c != '/')
			return false;
		if (c == '/' && i + 1 < target.length && target.data[i + 1] == '/')
			return false;
	}
	return true;
}

static struct head head_of(const struct judge *judge)
{
	return (struct head){ judge->head, judge->head_length == UINT32_MAX ? 0 : judge->head_length };
}

/* ---- what a client asks for ---------------------------------------------------------------------------------------- */

static void ask(struct peer *client)
{
	struct asked *asked = &rules.asked[rules.asked_count];
	struct head head = head_of(&client->asks);

	if (head.length == 0 || rules.asked_count == ASKED_MOST || client->asks.wants_upgrade)
		client->is_unread = true;
	if (head.length == 0 || rules.asked_count == ASKED_MOST)
		return;
	*asked = (struct asked){ .client = client, .number = client->asked++, .at_us = world.now_us };
	memcpy(asked->bytes, head.text, head.length);
	asked->head = (struct head){ asked->bytes, head.length };
	memcpy(asked->method, client->asks.method, sizeof asked->method);
	asked->rule = is_plain(target_of(asked->head)) ? rule_of(target_of(asked->head)) : RULE_NONE;
	rules.asked_count++;
}

void rules_client_sends(struct peer *client, uint8_t byte)
{
	enum judge_state state = client->asks.state;
	enum judge_event event;

	if (!rules.are_on || client->is_unread)
		return;
	event = judge_byte(&client->asks, byte);
	if (event == JUDGE_REFUSED)
		client->is_unread = true;
	else if (event == JUDGE_HEAD_READ || (event == JUDGE_WHOLE && state == JUDGE_HEAD))
		ask(client);
}

static bool has_right_password(struct head head)
{
	struct text value;

	return count_like(head, "Authorization", &value) == 1 && value.length >= 6 + sizeof right_password - 1 &&
	       strncasecmp(value.data, "Basic ", 6) == 0 &&
	       memcmp(value.data + value.length - (sizeof right_password - 1), right_password, sizeof right_password - 1) == 0;
}

/* -1: it has none that is ever good. */
static int token_in(struct head head)
{
	struct text value;

	if (count_like(head, "Authorization", &value) != 1 || value.length < 7 || strncasecmp(value.data, "Bearer ", 7) != 0)
		return -1;
	for (value.data += 7, value.length -= 7; value.length > 0 && value.data[0] == ' '; value.length--)
		value.data++;
	for (size_t i = 0; i < sizeof world_tokens / sizeof *world_tokens; i++)
		if (is_text(value, world_tokens[i].text) && world_tokens[i].until_s != 0)
			return (int)i;
	return -1;
}

static bool is_token_good(int token, uint64_t at_us)
{
	return token >= 0 && WORLD_WALL_S * UINT64_C(1000000) + at_us < world_tokens[token].until_s * UINT64_C(1000000);
}

static bool is_preflight(const struct asked *asked)
{
	return strcmp(asked->method, "OPTIONS") == 0 && count_like(asked->head, "Origin", NULL) > 0 &&
	       count_like(asked->head, "Access-Control-Request-Method", NULL) > 0;
}

/* A page of the host that is asked; ports aside. */
static bool is_own_origin(const struct asked *asked, struct text origin)
{
	struct text host = { "", 0 };
	const char *colon = memchr(origin.data, ':', origin.length), *begin = colon + 3, *port;

	count_like(asked->head, "Host", &host);
	port = memchr(host.data, ':', host.length);
	host.length = port == NULL ? host.length : (size_t)(port - host.data);
	return colon != NULL && begin + host.length <= origin.data + origin.length && strncasecmp(begin, host.data, host.length) == 0;
}

static bool may_pass_cors(const struct asked *asked)
{
	struct text origin;
	unsigned count = count_like(asked->head, "Origin", &origin);

	if (count == 0)
		return true;
	if (count > 1 || is_preflight(asked))
		return false;
	return is_own_origin(asked, origin) ||
	       (is_text(origin, "http://good") && (strcmp(asked->method, "GET") == 0 || strcmp(asked->method, "PUT") == 0));
}

/* May the filters of the route let it through? (A rate limit: count_rate().) */
static bool may_pass(enum rule rule, const struct asked *asked)
{
	switch (rule) {
	case RULE_BASIC:
		return has_right_password(asked->head);
	case RULE_CORS:
		return has_right_password(asked->head) && may_pass_cors(asked);
	case RULE_TOKEN:
		return is_token_good(token_in(asked->head), asked->at_us);
	default:
		return true;
	}
}

/* ---- what reaches an upstream ---------------------------------------------------------------------------------------- */

/* "/regex/7" as "/new/7". */
static bool is_rewritten(struct text asked, struct text target)
{
	static const char before[] = "/regex/", after[] = "/new/";
	size_t cut = sizeof before - 1, put = sizeof after - 1;

	if (asked.length < cut || memcmp(asked.data, before, cut) != 0)
		return asked.length == target.length && memcmp(asked.data, target.data, asked.length) == 0;
	return target.length == asked.length - cut + put && memcmp(target.data, after, put) == 0 &&
	       memcmp(target.data + put, asked.data + cut, asked.length - cut) == 0;
}

static bool is_asked_for(const struct asked *asked, enum rule rule, struct text method, struct text target)
{
	if (!is_text(method, asked->method) || !may_pass(rule, asked))
		return false;
	return !is_plain(target_of(asked->head)) || is_rewritten(target_of(asked->head), target);
}

/* No judge can read the upstream's answer, or it began before the request: the gateway may take it otherwise. */
static bool is_unclear(const struct peer *connection)
{
	return connection->answer.state == JUDGE_BAD || (connection->is_excessive && !connection->is_answered);
}

/* The first of its client's requests that it can be, behind those that it can't be and those that were answered. */
static struct asked *find_asked(const struct peer *client, enum rule rule, struct text method, struct text target)
{
	for (struct asked *asked = rules.asked; asked < rules.asked + rules.asked_count; asked++)
		if (asked->client == client && asked->number >= client->matched && asked->number >= client->answered &&
		    is_asked_for(asked, rule, method, target))
			return asked;
	return NULL;
}

/* The same request, at an upstream before: another try. */
static const struct seen *seen_before(const struct seen *seen)
{
	for (const struct seen *other = rules.seen; other < seen; other++)
		if (other->rule != RULE_QUESTION && strcmp(other->id, seen->id) == 0)
			return other;
	return NULL;
}

/* So many of these passed since the first of them was asked for. */
static void count_rate(const struct seen *last, const char *user)
{
	unsigned count = 1;

	for (const struct seen *other = last; other-- > rules.seen;) {
		if (other->rule != last->rule || other->asked == NULL || other->is_again)
			continue;
		if (user == NULL ? other->client != last->client : strcmp(other->user, user) != 0)
			continue;
		count++;
		CHECK(count <= RATE_BURST + (world.now_us - other->asked->at_us) / RATE_EACH_US);
	}
}

/* As the gateway says, and nobody else. */
static void check_user(struct head head, const char *user)
{
	if (user == NULL)
		CHECK(count_like(head, "X-User", NULL) == 0);
	else
		CHECK(is_only(head, "X-User", user));
}

/* Where responses wait for their client, or not all of its requests are known, one of several can't be told from another. */
static bool is_where_known(const struct asked *asked)
{
	return !asked->client->is_behind && !asked->client->is_unread && !rules.is_blind;
}

static void check_token(struct seen *seen, struct head head)
{
	const char *user;

	CHECK(count_like(head, "Authorization", NULL) == 0);
	if (seen->asked == NULL || !is_where_known(seen->asked)) {
		seen->asked = NULL;
		CHECK(count_like(head, "X-User", NULL) == 0 || is_only(head, "X-User", "7") || is_only(head, "X-User", "8"));
		return;
	}
	user = world_tokens[token_in(seen->asked->head)].user;
	check_user(head, user);
	snprintf(seen->user, sizeof seen->user, "%s", user == NULL ? "" : user);
	if (!seen->is_again)
		count_rate(seen, seen->user);
}

/* The authentication service has said so, and who it is. */
static void check_forward(const struct seen *seen, struct head head)
{
	bool has_said_so = rules.is_blind;

	for (const struct seen *question = rules.seen; question < seen && !has_said_so; question++) {
		if (question->rule != RULE_QUESTION || strcmp(question->id, seen->id) != 0)
			continue;
		if (!question->is_answered)
			has_said_so = is_unclear(question->connection);
		else if (question->status / 100 == 2)
			has_said_so = question->is_user_unclear || (question->has_user ? is_only(head, "X-User", question->user)
			                                                               : count_like(head, "X-User", NULL) == 0);
	}
	CHECK(has_said_so);
}

static void check_changes(struct head head)
{
	struct text value = { NULL, 0 };

	CHECK(is_only(head, "X-Set", "s"));
	CHECK(count_like(head, "X-Add", &value) > 0 && is_text(value, "a"));
	CHECK(count_like(head, "Cookie", NULL) == 0);
}

/* It is asked for a request of its route; of that it gets what is named, and what the gateway says. */
static void check_question(const struct seen *seen, struct head head, const struct peer *client)
{
	struct text method = { "", 0 }, target = { "", 0 };

	CHECK(is_text(target_of(head), "/check") && strcmp(seen->connection->received.method, "GET") == 0);
	CHECK(count_like(head, "Authorization", NULL) == 0 && count_like(head, "X-User", NULL) == 0);
	CHECK(count_like(head, "X-Forwarded-Method", &method) == 1 && count_like(head, "X-Forwarded-Uri", &target) == 1);
	method.length = method.length < METHOD_MOST ? method.length : METHOD_MOST; /* as the judge cuts it */
	CHECK(client->is_unread || find_asked(client, RULE_FORWARD, method, target) != NULL);
	CHECK(rule_of(target) == RULE_FORWARD);
}

static struct asked *match(struct seen *seen, struct head head, struct peer *client)
{
	const struct judge *received = &seen->connection->received;
	const struct seen *before = seen_before(seen);
	struct asked *asked;

	seen->is_again = before != NULL;
	if (before != NULL)
		return before->asked;
	if (client->is_unread)
		return NULL;
	asked = find_asked(client, seen->rule, (struct text){ received->method, strlen(received->method) }, target_of(head));
	CHECK(asked != NULL); /* nobody asked for it, or a filter should have refused it */
	asked->has_arrived = true;
	client->matched = asked->number + 1;
	return asked;
}

void rules_arrive(int number, const struct peer *connection, struct peer *client)
{
	struct seen *seen = &rules.seen[number];
	struct head head = head_of(&connection->received);

	if (!rules.are_on)
		return;
	CHECK(number == rules.seen_count && head.length > 0);
	rules.seen_count++;
	*seen = (struct seen){ .rule = rule_of(target_of(head)), .connection = connection, .client = client };
	memcpy(seen->id, connection->received.request_id, sizeof seen->id);
	CHECK((seen->rule == RULE_QUESTION) == (connection->server == RULES_SERVER) && seen->rule != RULE_NONE);
	if (seen->rule == RULE_QUESTION) {
		check_question(seen, head, client);
		return;
	}
	seen->asked = match(seen, head, client);
	if (seen->rule == RULE_BASIC || seen->rule == RULE_CORS)
		CHECK(count_like(head, "Authorization", NULL) == 0);
	else if (seen->rule == RULE_TOKEN)
		check_token(seen, head);
	else if (seen->rule == RULE_FORWARD)
		check_forward(seen, head);
	else if (seen->rule == RULE_RATE && seen->asked != NULL && !seen->is_again)
		count_rate(seen, NULL);
	else if (seen->rule == RULE_FIELDS)
		check_changes(head);
}

/* What a server merges into the fields before the body must not come behind the gateway's back. */
void rules_arrive_whole(const struct peer *connection)
{
	enum rule rule;

	if (!rules.are_on || connection->serving < 0)
		return;
	rule = rules.seen[connection->serving].rule;
	CHECK(connection->received.trailers == 0 ||
	      (rule != RULE_BASIC && rule != RULE_CORS && rule != RULE_TOKEN && rule != RULE_FORWARD));
}

uint64_t rules_body_most(const struct judge *request)
{
	struct head head = head_of(request);
	enum rule rule = head.length == 0 ? RULE_NONE : rule_of(target_of(head));

	return rule == RULE_BODY || rule == RULE_FIELDS ? BODY_MOST : UINT64_MAX;
}

void rules_answer(int number, const struct peer *connection)
{
	struct seen *seen = &rules.seen[number];
	struct head head = head_of(&connection->answer);
	struct text user = { "", 0 }, name, value;
	unsigned count = 0;

	if (!rules.are_on || seen->rule != RULE_QUESTION)
		return;
	seen->is_answered = true;
	seen->status = connection->answer.status;
	for (size_t at = 0; head.length > 0 && next_field(head, &at, &name, &value);)
		if (name.length == 6 && strncasecmp(name.data, "X-User", 6) == 0) { /* spelt so and not otherwise */
			user = value;
			count++;
		}
	seen->has_user = user.length > 0;
	seen->is_user_unclear = head.length == 0 || count > 1 || user.length >= USER_MOST || count_like(head, "Connection", NULL) > 0;
	snprintf(seen->user, sizeof seen->user, "%.*s", (int)(user.length < USER_MOST ? user.length : 0), user.data);
}

/* ---- what a client gets ---------------------------------------------------------------------------------------------- */

/* For reasons of its own the gateway may refuse it before it has met the route's filters. */
static bool may_be_refused_before(const struct asked *asked, unsigned status)
{
	static const unsigned reasons[] = { 400, 408, 417, 431, 501, 508 };

	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (status == reasons[i] && (!asked->has_arrived || !is_where_known(asked)))
			return true;
	return world.has_failed;
}

static void check_cors_fields(const struct asked *asked, struct head head)
{
	static const char *const fields[][2] = {
		{ "Access-Control-Allow-Origin", "http://good" }, { "Access-Control-Allow-Credentials", "true" },
		{ "Access-Control-Expose-Headers", "X-Tag" },     { "Access-Control-Allow-Methods", "GET, PUT" },
		{ "Access-Control-Allow-Headers", "X-Own" },      { "Access-Control-Max-Age", "5" },
	};
	struct text name, value;

	for (size_t at = 0; next_field(head, &at, &name, &value);) {
		bool is_known = name.length < 15 || strncasecmp(name.data, "Access-Control-", 15) != 0;

		for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
			is_known = is_known || (is_like(name.data, name.length, fields[i][0]) && is_only(head, fields[i][0], fields[i][1]) &&
			                        (i <= 2 || is_preflight(asked)));
		CHECK(is_known); /* the upstream's, or one too many */
	}
}

/* A preflight: for a method that may be used, and no more. */
static bool asks_for_little(const struct asked *asked)
{
	return is_only(asked->head, "Access-Control-Request-Method", "PUT") &&
	       count_like(asked->head, "Access-Control-Request-Headers", NULL) == 0;
}

static void check_cors(const struct asked *asked, struct head head, unsigned status)
{
	struct text origin = { NULL, 0 };
	unsigned count = count_like(asked->head, "Origin", &origin);
	bool is_good = count == 1 && is_text(origin, "http://good");

	check_cors_fields(asked, head);
	CHECK(is_good || count_like(head, "Access-Control-Allow-Origin", NULL) == 0);
	if (may_be_refused_before(asked, status))
		return;
	CHECK(!is_preflight(asked) || status == 204 || (status == 403 && !(is_good && asks_for_little(asked))));
	CHECK(count_like(head, "Vary", NULL) > 0);
	CHECK(!is_good || (is_only(head, "Access-Control-Allow-Origin", "http://good") &&
	                   is_only(head, "Access-Control-Allow-Credentials", "true")));
}

/* Has the authentication service said so to this client, as far as a judge can tell? */
static bool was_answered(const struct peer *client, unsigned status)
{
	for (const struct seen *seen = rules.seen; seen < rules.seen + rules.seen_count; seen++)
		if (seen->rule == RULE_QUESTION && seen->client == client &&
		    (seen->is_answered ? seen->status == status : is_unclear(seen->connection)))
			return true;
	return false;
}

/* What only the gateway can have said, as no upstream heard of the request. */
static void check_refusal(const struct asked *asked, struct head head, unsigned status)
{
	struct text challenge = { "", 0 };
	bool is_basic = asked->rule == RULE_BASIC || asked->rule == RULE_CORS;

	if (asked->rule == RULE_FORWARD)
		CHECK(status == 503 || status == 413 || may_be_refused_before(asked, status) || was_answered(asked->client, status));
	else
		CHECK(status / 100 != 2 || is_preflight(asked));
	if (status == 401 && asked->rule != RULE_FORWARD) {
		CHECK(is_basic || asked->rule == RULE_TOKEN);
		CHECK(count_like(head, "WWW-Authenticate", &challenge) == 1);
		CHECK(strncmp(challenge.data, is_basic ? "Basic realm=" : "Bearer", 6) == 0);
		CHECK(!is_basic || !is_only(asked->head, "Authorization", "Basic dTpw"));
		CHECK(is_basic || !is_token_good(token_in(asked->head), world.now_us));
	}
	if (status == 429) {
		CHECK(asked->rule == RULE_RATE || asked->rule == RULE_TOKEN);
		CHECK(asked->rule == RULE_TOKEN || asked->number >= RATE_BURST);
		CHECK(count_like(head, "Retry-After", NULL) == 1);
	}
}

/* Some answer to it was longer than the route allows, as far as a judge can tell. */
static bool was_too_large(const struct asked *asked)
{
	for (const struct seen *seen = rules.seen; seen < rules.seen + rules.seen_count; seen++)
		if (seen->asked == asked && (seen->connection->answer.length > BODY_MOST ||
		                             seen->connection->answer.body_length > BODY_MOST || is_unclear(seen->connection)))
			return true;
	return false;
}

static void check_body_head(const struct asked *asked, const struct peer *client, struct head head)
{
	struct text why = { "", 0 };

	if (count_like(head, "Proxy-Status", &why) == 1 && memmem(why.data, why.length, "http_response_body_size", 23) != NULL)
		CHECK(!is_where_known(asked) || was_too_large(asked));
	CHECK(client->received.answers_head || client->received.lengths == 0 || client->received.length <= BODY_MOST);
}

/* Only what an upstream said has the operator's changes. Of a response's fields a look-alike is another one: no client takes
 * `x_set` for it, as services do. */
static void check_response_fields(const struct peer *client, struct head head)
{
	struct text value = { NULL, 0 };

	if (!client->is_tag_in_head)
		return;
	CHECK(count_by(head, is_same, "X-Set", &value) == 1 && is_text(value, "s") && count_by(head, is_same, "Server", NULL) == 0);
	CHECK(count_like(head, "X-Add", &value) > 0 && is_text(value, "a"));
}

static struct asked *asked_of(const struct peer *client)
{
	for (struct asked *asked = rules.asked; asked < rules.asked + rules.asked_count; asked++)
		if (asked->client == client && asked->number == client->answered)
			return asked;
	return NULL;
}

void rules_respond(struct peer *client, bool is_interim)
{
	const struct asked *asked = rules.are_on ? asked_of(client) : NULL;
	struct head head = head_of(&client->received);
	unsigned status = client->received.status;

	client->rule_is_body = false;
	client->answered += !is_interim;
	if (asked == NULL || head.length == 0)
		return;
	if (asked->rule == RULE_CORS && is_interim)
		check_cors_fields(asked, head);
	if (is_interim)
		return;
	if (asked->rule == RULE_CORS)
		check_cors(asked, head, status);
	if (asked->rule == RULE_BODY || asked->rule == RULE_FIELDS)
		check_body_head(asked, client, head);
	if (asked->rule == RULE_FIELDS)
		check_response_fields(client, head);
	if (asked->rule == RULE_RATE && is_where_known(asked) && (asked->has_arrived || status == 429) && !world.has_failed)
		CHECK(is_only(head, "RateLimit-Policy", "\"default\";q=2;w=1") && count_like(head, "RateLimit", NULL) == 1);
	if (asked->rule != RULE_NONE && is_where_known(asked) && !asked->has_arrived)
		check_refusal(asked, head, status);
	client->rule_is_body = asked->rule == RULE_BODY || asked->rule == RULE_FIELDS;
}

void rules_take_body(const struct peer *client)
{
	if (rules.are_on && client->rule_is_body)
		CHECK(client->received.body_length <= BODY_MOST);
}
