/*
 * The clients and the upstreams, and what they would notice.
 *
 * An upstream's connection reads requests with the strict judge (judge.h): whatever reaches it must have one reading. A
 * client reads responses with it: they must be well formed, in the order of the requests, cut ones must be reset or end
 * where it shows, with all that the upstream had said of them, and none may hold a byte of somebody else's. For that an
 * upstream can write a tag where its text says \t: the number of the request it is answering, which X-Forwarded-For ties to a
 * client. Tags are made nowhere else, so a tag at the wrong client, or out of
 * its turn, is a mixed-up response. Where the tag is in the head, the whole body must be the one that was sent.
 *
 * An upstream that says more than it was asked for loses its tags: then the next request may well get the wrong answer, and
 * that is the upstream's doing. But when the gateway has read what is too much it must not send another request after it.
 */
#include "tests/fuzz/world.h"

#include <ctype.h>
#include <string.h>

#include "tests/fuzz/check.h"
#include "tests/fuzz/rules.h"

enum { ARRIVALS_MOST = RULES_ARRIVALS, TAG_BYTES = 6, TAG_MARK = 0xff };

/* A request whose head has reached an upstream. */
struct arrival {
	const struct peer *client;
	char id[JUDGE_ID];
	bool is_question;      /* to the authentication service */
	uint64_t body_most;    /* that the route lets through of the answer */
	bool is_whole, is_bad; /* what the upstream answered */
	uint64_t body_length, body_hash;
};

static struct arrival arrivals[ARRIVALS_MOST];
static int arrival_count;
static struct {
	const uint8_t *text;
	size_t length;
} answers[WORLD_SERVERS];
static uint64_t log_lines;
static char log_last;
bool peers_trusts_ids;

void peers_begin(void)
{
	arrival_count = 0;
	memset(answers, 0, sizeof answers);
	log_lines = 0;
	log_last = '\n';
	peers_trusts_ids = false;
}

/* ---- a client ------------------------------------------------------------------------------------------------- */

static void take_tag(struct peer *client, int number, bool is_in_head)
{
	CHECK(number < arrival_count);
	CHECK(arrivals[number].client == client); /* else it gets what was meant for another */
	CHECK(number >= client->arrival_least);   /* else it is the answer to an earlier request */
	CHECK(client->arrival < 0 || client->arrival == number);
	client->arrival = number;
	client->is_tag_in_head |= is_in_head;
}

/* A tag may be cut by the end of a message: then it was no tag. */
static void look_for_tag(struct peer *client, uint8_t byte, bool is_in_head)
{
	int number = 0;

	if (client->tag_length == 0 || client->tag_length == TAG_BYTES) {
		client->tag_length = byte == TAG_MARK;
		return;
	}
	if (client->tag_length < TAG_BYTES - 1) {
		client->tag[client->tag_length++] = (char)byte;
		return;
	}
	client->tag_length = 0;
	CHECK(byte == TAG_MARK);
	for (int i = 1; i < TAG_BYTES - 1; i++) {
		CHECK(client->tag[i] >= 'a' && client->tag[i] <= 'p');
		number = number * 16 + client->tag[i] - 'a';
	}
	take_tag(client, number, is_in_head);
}

static void end_response(struct peer *client)
{
	const struct arrival *arrival = client->arrival < 0 ? NULL : &arrivals[client->arrival];

	if (arrival == NULL)
		return;
	client->arrival_least = client->arrival + 1;
	if (!client->is_tag_in_head || arrival->is_bad)
		return;
	if (client->received.answers_head && arrival->is_question)
		return; /* which was a GET */
	CHECK(arrival->is_whole);
	CHECK(arrival->body_length == client->received.body_length && arrival->body_hash == client->received.body_hash);
}

/* Has the gateway read all that the upstream has said in answer to this arrival? */
static bool was_read(int arrival)
{
	for (unsigned i = 0; i < world.peer_count; i++)
		if (!world.peers[i].is_client && world.peers[i].serving == arrival)
			return world.peers[i].read == world.peers[i].sent &&
			       (world.peers[i].answer.state != JUDGE_UNTIL_CLOSE || world.peers[i].is_end_read);
	return false;
}

/* By a FIN: where the framing shows it, and behind all that was received. */
static void end_cut_response(struct peer *client)
{
	const struct judge *received = &client->received;
	const struct arrival *arrival = client->arrival < 0 ? NULL : &arrivals[client->arrival];

	CHECK(received->state == JUDGE_LENGTH || (received->state == JUDGE_CHUNK_SIZE && received->line_length == 0));
	if (arrival == NULL || !client->is_tag_in_head || arrival->is_bad || arrival->body_length > arrival->body_most)
		return;
	CHECK(!was_read(client->arrival) || (!arrival->is_whole && arrival->body_length == received->body_length &&
	                                     arrival->body_hash == received->body_hash));
}

static bool is_text(enum judge_state state)
{
	return state == JUDGE_BETWEEN || state == JUDGE_HEAD || state == JUDGE_LENGTH || state == JUDGE_CHUNK_DATA ||
	       state == JUDGE_UNTIL_CLOSE || state == JUDGE_RAW;
}

/* A list of protocols may have empty elements (RFC 9110 section 5.6.1). */
static bool is_each_offered(const char *offered, const char *chosen)
{
	char list[JUDGE_UPGRADE], *rest = list, *one;

	memcpy(list, chosen, sizeof list);
	while ((one = strtok_r(rest, ", \t", &rest)) != NULL)
		if (strcasestr(offered, one) == NULL)
			return false;
	return true;
}

static void client_takes(struct peer *client, uint8_t byte)
{
	enum judge_state state = client->received.state;
	enum judge_event event;

	if (state == JUDGE_BETWEEN) {
		struct stage_request request = stage_request_of(client);

		client->arrival = -1;
		client->is_tag_in_head = false;
		client->tag_length = 0;
		client->is_old = request.is_old;
		memcpy(client->offered, request.offered, sizeof client->offered);
		client->received.answers_head = request.is_head;
	}
	event = judge_byte(&client->received, byte);
	if (event == JUDGE_REFUSED)
		fprintf(stderr, "client %u got %s\n", client->id, client->received.complaint);
	CHECK(event != JUDGE_REFUSED);
	CHECK(!client->is_old || (client->received.state != JUDGE_CHUNK_SIZE && event != JUDGE_INTERIM)); /* it knows neither */
	if (event == JUDGE_HEAD_READ && client->received.state == JUDGE_RAW) /* a tunnel */
		CHECK(is_each_offered(client->offered, client->received.upgrade));
	if (is_text(state))
		look_for_tag(client, byte, state == JUDGE_HEAD);
	if (event == JUDGE_INTERIM || event == JUDGE_HEAD_READ || (event == JUDGE_WHOLE && state == JUDGE_HEAD))
		rules_respond(client, event == JUDGE_INTERIM);
	if (event == JUDGE_WHOLE)
		rules_take_body(client);
	if (event == JUDGE_WHOLE)
		end_response(client);
	else if (event == JUDGE_INTERIM && client->arrival >= 0)
		client->arrival_least = client->arrival;
}

/* As much of a body as holds no tag. */
static size_t client_takes_body(struct peer *client, const uint8_t *data, size_t length)
{
	const uint8_t *mark;

	if (client->tag_length > 0 || !judge_is_in_body(&client->received))
		return 0;
	mark = memchr(data, TAG_MARK, length);
	return judge_body(&client->received, data, mark == NULL ? length : (size_t)(mark - data));
}

/* ---- an upstream ---------------------------------------------------------------------------------------------- */

static void check_may_begin(const struct peer *connection)
{
	if (connection->is_excessive && !connection->is_held_up)
		CHECK(connection->read <= connection->excess_at && !world_is_heard(connection));
	if (connection->serving < 0 || connection->answer.state == JUDGE_BAD || connection->is_excessive)
		return;
	CHECK(connection->is_answered && !connection->received.wants_close);
	CHECK(!connection->answer.wants_close && (!connection->answer.is_old || connection->answer.wants_keep));
}

static struct peer *client_of(const char *forwarded_for)
{
	const char *last = strrchr(forwarded_for, ' ');
	unsigned a, b, c, d;

	last = last == NULL ? forwarded_for : last + 1;
	CHECK(sscanf(last, "%u.%u.%u.%u", &a, &b, &c, &d) == 4 && a == 10 && b == 1 && c == 0 && d < world.peer_count);
	CHECK(world.peers[d].is_client && world.peers[d].fd >= 0);
	return &world.peers[d];
}

static bool may_be_repeated(const char *method)
{
	static const char *const methods[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" };

	for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
		if (strcmp(method, methods[i]) == 0)
			return true;
	return false;
}

/* The head of a request is whole. */
static void arrive(struct peer *connection)
{
	const struct judge *request = &connection->received;
	struct peer *client;

	CHECK(request->forwarded == 1);
	client = client_of(request->forwarded_for);
	CHECK(request->request_id[0] != '\0');
	for (int i = 0; i < arrival_count && !peers_trusts_ids && !may_be_repeated(request->method); i++)
		CHECK(arrivals[i].is_question || strcmp(arrivals[i].id, request->request_id) != 0);
	if (connection->is_excessive && request->wants_upgrade) /* what it said before it was asked may have been a 101 */
		connection->received.state = JUDGE_RAW;
	connection->is_held_up = false;
	connection->excess_at = UINT64_MAX; /* what had not been read by now nobody can tell from the answer to this */
	judge_begin(&connection->answer, true);
	connection->answer.answers_head = strcmp(request->method, "HEAD") == 0;
	connection->is_answered = false;
	if (arrival_count == ARRIVALS_MOST) {
		connection->is_excessive = true; /* no tags any more */
		connection->excess_at = UINT64_MAX;
		rules_end();
		return;
	}
	arrivals[arrival_count] = (struct arrival){ .client = client, .is_question = connection->server == RULES_SERVER,
		                                    .body_most = rules_body_most(request), .body_hash = connection->answer.body_hash };
	memcpy(arrivals[arrival_count].id, request->request_id, JUDGE_ID);
	connection->serving = arrival_count++;
	rules_arrive(connection->serving, connection, client);
}

static void upstream_takes(struct peer *connection, uint8_t byte)
{
	enum judge_state state = connection->received.state;
	enum judge_event event;

	if (state == JUDGE_BETWEEN)
		check_may_begin(connection);
	event = judge_byte(&connection->received, byte);
	if (event == JUDGE_REFUSED)
		fprintf(stderr, "upstream %u got %s\n", connection->server, connection->received.complaint);
	CHECK(event != JUDGE_REFUSED);
	if (event == JUDGE_HEAD_READ || (event == JUDGE_WHOLE && state == JUDGE_HEAD))
		arrive(connection);
	if (event == JUDGE_WHOLE) {
		connection->is_held_up = false;
		rules_arrive_whole(connection);
	}
	if (event == JUDGE_WHOLE && answers[connection->server].length > 0 && !connection->is_answered &&
	    !connection->has_finished && !connection->has_reset)
		peers_upstream_sends(connection, answers[connection->server].text, answers[connection->server].length);
}

static void upstream_says(struct peer *connection, uint8_t byte)
{
	struct judge *answer = &connection->answer;
	enum judge_state state;
	struct arrival *arrival = connection->serving < 0 ? NULL : &arrivals[connection->serving];
	enum judge_event event;

	world_peer_sends(connection, &byte, 1);
	/* To a request whose head is still on its way, a 101 may be the answer, too: from here on no judge can follow. */
	if (connection->received.state == JUDGE_HEAD || (connection->received.state == JUDGE_BETWEEN && connection->is_held_up)) {
		connection->received.state = JUDGE_RAW;
		rules_answer_early();
	}
	if (connection->is_excessive || answer->state == JUDGE_BAD)
		return;
	if (arrival == NULL || connection->is_answered) {
		connection->is_excessive = true;
		connection->excess_at = connection->sent - 1;
		return;
	}
	state = answer->state;
	event = judge_byte(answer, byte);
	if (event == JUDGE_HEAD_READ || (event == JUDGE_WHOLE && state == JUDGE_HEAD))
		rules_answer(connection->serving, connection);
	arrival->body_length = answer->body_length;
	arrival->body_hash = answer->body_hash;
	if (event == JUDGE_WHOLE)
		connection->is_answered = arrival->is_whole = true;
	else if (event == JUDGE_REFUSED)
		arrival->is_bad = true;
	/* From a 101 on it is another protocol; what the judge can't read may have been one. */
	if (answer->state == JUDGE_RAW || (event == JUDGE_REFUSED && connection->received.wants_upgrade))
		connection->received.state = JUDGE_RAW;
}

/* Behind another byte that it just said: as much as is beyond judging, or of a body and not its end. */
static size_t upstream_says_more(struct peer *connection, const uint8_t *data, size_t length)
{
	struct arrival *arrival = connection->serving < 0 ? NULL : &arrivals[connection->serving];

	if (connection->is_excessive || connection->answer.state == JUDGE_BAD) {
		world_peer_sends(connection, data, length);
		return length;
	}
	if (arrival == NULL || connection->is_answered)
		return 0;
	length = judge_body(&connection->answer, data, length);
	arrival->body_length = connection->answer.body_length;
	arrival->body_hash = connection->answer.body_hash;
	if (length > 0)
		world_peer_sends(connection, data, length);
	return length;
}

static void upstream_tags(struct peer *connection)
{
	int number = connection->serving;

	if (number < 0 || connection->is_excessive || connection->is_answered || connection->answer.state == JUDGE_BAD) {
		upstream_says(connection, '?');
		return;
	}
	upstream_says(connection, TAG_MARK);
	for (int shift = 12; shift >= 0; shift -= 4)
		upstream_says(connection, (uint8_t)('a' + (number >> shift & 15)));
	upstream_says(connection, TAG_MARK);
}

void peers_upstream_finishes(struct peer *connection)
{
	if (connection->answer.state == JUDGE_UNTIL_CLOSE && connection->serving >= 0 && !connection->has_reset)
		connection->is_answered = arrivals[connection->serving].is_whole = true;
	world_peer_finishes(connection);
}

void peers_answer_all(unsigned server, const uint8_t *text, size_t length)
{
	answers[server].text = text;
	answers[server].length = length;
}

struct peer *peers_current(unsigned server)
{
	struct peer *current = NULL;

	for (unsigned i = 0; i < world.peer_count; i++) {
		struct peer *peer = &world.peers[i];

		if (!peer->is_client && peer->server == server && peer->state == PEER_OPEN &&
		    (current == NULL || peer->touched > current->touched))
			current = peer;
	}
	return current;
}

/* ---- what the steps say ---------------------------------------------------------------------------------------- */

static int hex_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* One byte of `text` from *at on; -1: a tag is wanted. */
static int read_byte(const uint8_t *text, size_t length, size_t *at)
{
	int byte = text[(*at)++], high, low;

	if (byte != '\\' || *at == length)
		return byte == TAG_MARK ? '?' : byte;
	byte = text[(*at)++];
	switch (byte) {
	case 'r':
		return '\r';
	case 'n':
		return '\n';
	case 't':
		return -1;
	case 'x':
		if (length - *at < 2 || (high = hex_digit(text[*at])) < 0 || (low = hex_digit(text[*at + 1])) < 0)
			return 'x';
		*at += 2;
		return high * 16 + low == TAG_MARK ? '?' : high * 16 + low;
	default:
		return byte == TAG_MARK ? '?' : byte;
	}
}

static void client_says(struct peer *client, uint8_t byte)
{
	rules_client_sends(client, byte);
	world_peer_sends(client, &byte, 1);
}

void peers_client_sends(struct peer *client, const uint8_t *text, size_t length)
{
	for (size_t at = 0; at < length;) {
		bool is_token = length - at > 2 && text[at] == '\\' && text[at + 1] == 'j';
		const char *token = is_token ? rules_token(text[at + 2] - (unsigned)'0') : NULL;
		int byte;

		if (token != NULL) {
			at += 3;
			for (; *token != '\0'; token++)
				client_says(client, (uint8_t)*token);
			continue;
		}
		byte = read_byte(text, length, &at);
		client_says(client, byte < 0 ? '\t' : (uint8_t)byte);
	}
}

void peers_upstream_sends(struct peer *connection, const uint8_t *text, size_t length)
{
	for (size_t at = 0; at < length;) {
		int byte = read_byte(text, length, &at);

		if (byte < 0)
			upstream_tags(connection);
		else
			upstream_says(connection, (uint8_t)byte);
	}
}

static const uint8_t filling[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

void peers_client_fills(struct peer *client, size_t count)
{
	while (count > 0) {
		size_t length = count < sizeof filling - 1 ? count : sizeof filling - 1;

		for (size_t i = 0; i < length; i++)
			rules_client_sends(client, filling[i]);
		world_peer_sends(client, filling, length);
		count -= length;
	}
}

void peers_upstream_fills(struct peer *connection, size_t count)
{
	while (count > 0) {
		size_t length = count < sizeof filling - 1 ? count : sizeof filling - 1, said = 0;

		if (length > TAG_BYTES)
			upstream_tags(connection);
		if (length > TAG_BYTES)
			said = TAG_BYTES + upstream_says_more(connection, filling, length - TAG_BYTES);
		for (; said < length; said++)
			upstream_says(connection, 'x');
		count -= length;
	}
}

/* With FUZZ_TRACE in the environment: what went over the wires, for whoever wants to understand a finding. */
static void trace(const char *who, unsigned number, const char *what, const void *data, size_t length)
{
	static int is_wanted = -1;

	if (is_wanted < 0)
		is_wanted = getenv("FUZZ_TRACE") != NULL;
	if (!is_wanted)
		return;
	fprintf(stderr, "%8.3f %s %u %s ", (double)(world.now_us % 1000000000) / 1e6, who, number, what);
	for (size_t i = 0; i < length && i < 300; i++) {
		uint8_t byte = ((const uint8_t *)data)[i];

		fprintf(stderr, byte >= ' ' && byte < 0x7f ? "%c" : byte == '\r' ? "\\r" : byte == '\n' ? "\\n" : "\\x%02x", byte);
	}
	fputc('\n', stderr);
}

/* ---- for the world --------------------------------------------------------------------------------------------- */

void peers_on_connection(struct peer *peer)
{
	peer->touched = ++world.order;
}

void peers_on_bytes(struct peer *peer, const uint8_t *data, size_t length)
{
	peer->touched = ++world.order;
	trace(peer->is_client ? "client" : "upstream", peer->id, "gets", data, length);
	/* When a response was read to its end before its request was sent to its end, nothing may follow on that connection. Where
	 * the end is that of the connection, having read all bytes is not having read that. */
	if (!peer->is_client && peer->is_answered && peer->read == peer->sent && peer->answer.state != JUDGE_UNTIL_CLOSE)
		CHECK(peer->received.state <= JUDGE_HEAD || peer->received.state == JUDGE_RAW);
	while (length > 0) {
		size_t taken = peer->is_client ? client_takes_body(peer, data, length) : judge_body(&peer->received, data, length);

		if (taken == 0 && peer->is_client)
			client_takes(peer, *data);
		else if (taken == 0)
			upstream_takes(peer, *data);
		data += taken == 0 ? 1 : taken;
		length -= taken == 0 ? 1 : taken;
	}
	if (peer->is_client)
		rules_take_body(peer);
}

void peers_on_end(struct peer *peer, bool is_reset)
{
	trace(peer->is_client ? "client" : "upstream", peer->id, is_reset ? "is reset" : "gets FIN", "", 0);
	if (is_reset || !peer->is_client)
		return;
	if (peer->received.state == JUDGE_UNTIL_CLOSE) /* what is cut must not look whole */
		end_response(peer);
	else if (judge_is_inside(&peer->received))
		end_cut_response(peer);
}

/* Whole lines, one for each request, of nothing but printable ASCII; they begin with a brace or with the client's address. */
void peers_on_log(const char *text, size_t length)
{
	trace("log", 0, "is", text, length);
	for (size_t i = 0; i < length; i++) {
		CHECK(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
		CHECK(log_last != '\n' || text[i] == '{' || text[i] == ':' || isxdigit((unsigned char)text[i]));
		log_lines += text[i] == '\n';
		log_last = text[i];
	}
	CHECK(log_last == '\n');
}

uint64_t peers_log_lines(void)
{
	return log_lines;
}
