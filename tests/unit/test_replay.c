/* The replay: forms of lines, whole and cut short anywhere; and what the breakers make of calls whose story is known.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/replay/calls.h"
#include "gateway/replay/log_line.h"
#include "gateway/replay/report.h"
#include "gateway/replay/simulate.h"
#include "routes/config/complaints.h"

static const char JSON[] = "{\"time\":\"2026-11-29T20:42:13.123Z\",\"client\":\"10.0.0.1\",\"method\":\"GET\",\"path\":"
                           "\"/patient/7?a=\\\"b\","
						   "\"route\":\"/"
                           "patient\",\"upstream\":\"patient\",\"endpoint\":\"10.0.1.2:2222\",\"status\":503,"
						   "\"outcome\":\"response_timeout\",\"breaker\":\"closed\",\"attempts\":1,\"duration_ms\":"
                           "5001.250,\"connect_ms\":null,"
						   "\"response_ms\":12.5,\"user_agent\":\"x\"}";

/* In a block that is exactly as large, so that the sanitizer sees a step too far. */
static bool read_line(const char *text, size_t length, struct log_line *line)
{
	char *copy = malloc(length > 0 ? length : 1);
	bool is_read;

	memcpy(copy, text, length);
	is_read = log_line_read(copy, length, line);
	free(copy);
	return is_read;
}

static void test_json(void **state)
{
	struct log_line line;

	(void)state;
	assert_true(log_line_read(JSON, strlen(JSON), &line));
	assert_true(line.end_ms == INT64_C(1795984933123));
	assert_int_equal(line.status, 503);
	assert_int_equal(line.duration_us, 5001250);
	assert_int_equal(line.response_us, 12500);
	assert_memory_equal(line.upstream.data, "patient", line.upstream.length);
	assert_memory_equal(line.outcome.data, "response_timeout", line.outcome.length);
	for (size_t length = 0; length < strlen(JSON); length++)
		assert_false(read_line(JSON, length, &line));
}

static void test_combined(void **state)
{
	static const struct {
		const char *rest;
		uint64_t duration_us;
		bool has_duration;
	} CASES[] = {
		{ "200 145 \"-\" \"curl/7.88.1\" 0.012", 12000, true },
		{ "200 145 \"-\" \"curl/7.88.1\" rt=1.500", 1500000, true },
		{ "200 145 \"-\" \"curl/7.88.1\" \"0.001\"", 1000, true },
		{ "200 145 \"-\" \"curl/7.88.1\" 123456", 123456, true },
		{ "200 145 37", 37000, true },
		{ "200 145 37 ms", 37000, true },
		{ "200 145 \"-\" \"Safari 5.0\"", 0, false },
		{ "200 145 \"-\" \"curl/7.88.1\"", 0, false },
		{ "200 145", 0, false },
	};
	char text[300];
	struct log_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		snprintf(text, sizeof text, "10.0.0.1 - bob [29/Nov/2026:21:42:13 +0100] \"GET /patient/7?x HTTP/1.1\" %s",
		         CASES[i].rest);
		assert_true(read_line(text, strlen(text), &line));
		assert_true(line.end_ms == INT64_C(1795984933000));
		assert_int_equal(line.status, 200);
		assert_int_equal(line.has_duration, CASES[i].has_duration);
		assert_int_equal(line.duration_us, CASES[i].duration_us);
		for (size_t length = 0; length < strlen(text); length++)
			read_line(text, length, &line);
	}
}

static void test_other_lines(void **state)
{
	static const char NESTED[] = "x | {\"time\" : \"2026-11-29T20:42:13Z\" , \"a\": [1, {\"}\": 2}] }";
	static const char *const OTHERS[] = { "",
		                                  "{}",
		                                  "{",
		                                  "[]",
		                                  "text",
		                                  "{\"time\":\"x\"}",
		                                  "{\"time\":null}",
		                                  "{\"status\":\"y\"}",
		                                  "{\"time\":{\"a\":1}}",
		                                  "- - [29/Nov/2026",
		                                  "\"[29/Xxx/2026:20:42:13 +0000] \"GET / HTTP/1.1\" 200" };
	struct log_line line;

	(void)state;
	for (size_t i = 0; i < sizeof(OTHERS) / sizeof(OTHERS[0]); i++)
		assert_false(read_line(OTHERS[i], strlen(OTHERS[i]), &line));
	assert_true(log_line_read(NESTED, strlen(NESTED), &line));
}

/* ---- stories ------------------------------------------------------------------------------------------------ */

static struct {
	struct config *config;
	struct calls calls;
	char *log;
	size_t length;
	FILE *to;
} story;

static void begin_story_with(const char *breaker, const char *fallback)
{
	struct complaints complaints;
	char text[400];

	snprintf(text, sizeof text,
	         "upstreams: { patient: { url: \"http://tasks.patient:2222\", breaker: { %s } }, spare: { url: \"http://spare.x\" } }\n"
	         "routes: [ { path: /patient, upstream: patient, fallback: { %s } } ]\n",
	         breaker, fallback);
	story.config = config_parse("replay.yml", text, strlen(text), &complaints);
	assert_non_null(story.config);
	complaints_free(&complaints);
	assert_true(calls_begin(&story.calls, story.config));
	story.to = open_memstream(&story.log, &story.length);
}

static void begin_story(const char *breaker)
{
	begin_story_with(breaker, "status: 503");
}

static void call(unsigned end_ms, unsigned took_ms, unsigned status, const char *outcome)
{
	fprintf(story.to,
	        "{\"time\":\"2026-11-29T20:%02u:%02u.%03uZ\",\"upstream\":\"patient\",\"status\":%u,\"outcome\":\"%s\","
	        "\"duration_ms\":%u.0}\n",
	        end_ms / 60000, end_ms / 1000 % 60, end_ms % 1000, status, outcome, took_ms);
}

static void read_story(void)
{
	FILE *from;

	fclose(story.to);
	from = fmemopen(story.log, story.length, "r");
	assert_true(calls_read(&story.calls, from, "a.log", stderr));
	fclose(from);
	assert_true(calls_sort(&story.calls));
}

static void free_story(void)
{
	calls_free(&story.calls);
	config_release(story.config);
	free(story.log);
}

static struct replay end_story(void)
{
	struct replay replay;

	read_story();
	assert_true(simulate(&story.calls, 0, story.calls.count, &story.config->upstreams[0].breaker, &replay));
	free_story();
	return replay;
}

/* Ten calls fail after a second each, then it opens for 5 s: of the 50 calls in that time 30 would have failed after a
 * second, too. */
static void test_spared_and_in_vain(void **state)
{
	struct replay replay;

	(void)state;
	begin_story("minimum_calls: 10, window: 10s, open_for: 5s, half_open_calls: 1");
	for (unsigned i = 0; i < 10; i++)
		call(10000 + i, 1000, 503, "response_timeout");
	for (unsigned i = 0; i < 50; i++)
		call(12000 + i * 60, i % 5 < 3 ? 1000 : 1, i % 5 < 3 ? 503 : 200, i % 5 < 3 ? "response_timeout" : "answered");
	call(16000, 2, 200, "answered");
	call(17000, 2, 200, "answered");
	replay = end_story();
	assert_int_equal(replay.opened, 1);
	assert_int_equal(replay.spared, 30);
	assert_int_equal(replay.waiting_ms, 30000);
	assert_int_equal(replay.in_vain, 20);
	assert_int_equal(replay.episode_count, 1);
	assert_int_equal(replay.episodes[0].calls, 10);
	assert_true(replay.episodes[0].until_ms == replay.episodes[0].from_ms - 10009 + 16000);
}

/* The order of the lines says nothing. */
static void test_lines_out_of_order(void **state)
{
	struct replay forward, backward;

	(void)state;
	for (unsigned turn = 0; turn < 2; turn++) {
		begin_story("minimum_calls: 3");
		for (unsigned i = 0; i < 100; i++) {
			unsigned at = turn == 0 ? i : 99 - i;

			call(10000 + at * 100, 50 + at, at < 50 ? 503 : 200, at < 50 ? "connect_failed" : "answered");
		}
		*(turn == 0 ? &forward : &backward) = end_story();
	}
	assert_memory_equal(&forward, &backward, sizeof forward);
	assert_int_not_equal(forward.opened, 0);
}

static void test_what_says_nothing(void **state)
{
	struct replay replay;

	(void)state;
	begin_story("minimum_calls: 1");
	for (unsigned i = 0; i < 20; i++) {
		call(10000 + i, 1, 499, "client_aborted");
		call(10000 + i, 1, 404, "not_found");
		call(10000 + i, 1, 503, "overloaded");
		call(10000 + i, 1, 503, "breaker_open");
		call(10000 + i, 1, 404, "answered");
	}
	assert_int_equal(story.calls.count, 0);
	replay = end_story();
	assert_int_equal(replay.opened, 0);
	assert_int_equal(replay.spared + replay.in_vain, 0);
}

/* A log may have any bytes: a NUL neither ends a name nor its comparison. */
static void test_names_with_nul(void **state)
{
	char name[80] = "patient";

	(void)state;
	begin_story("minimum_calls: 1");
	for (size_t length = strlen(name) + 1; length < sizeof name; length++) {
		fprintf(story.to, "{\"time\":\"2026-11-29T20:00:00.000Z\",\"upstream\":\"");
		fwrite(name, 1, length, story.to);
		fprintf(story.to, "\",\"status\":200,\"outcome\":\"answered\",\"duration_ms\":1.0}\n");
	}
	read_story();
	assert_int_equal(story.calls.lines, sizeof name - 1 - strlen(name));
	assert_int_equal(story.calls.unrouted, story.calls.lines);
	free_story();
}

/* The line has the fallback's status. The breaker judged the service's, which is one of on_statuses. */
static void test_replaced_answers(void **state)
{
	static const struct {
		const char *fallback;
		enum call_end end;
	} CASES[] = {
		{ "on_statuses: [500, 503]", CALL_FAILED },
		{ "on_statuses: [404]", CALL_FINE },
		{ "on_statuses: [404, 503]", CALL_UNKNOWN },
		{ "body: away", CALL_UNKNOWN }, /* the log is from another configuration */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		begin_story_with("minimum_calls: 1", CASES[i].fallback);
		call(10000, 5, 503, "replaced");
		read_story();
		assert_int_equal(story.calls.count, 1);
		assert_int_equal(story.calls.list[0].end, CASES[i].end);
		free_story();
	}
}

static void detoured_call(unsigned end_s, unsigned took_ms, unsigned attempts, const char *rest)
{
	fprintf(story.to,
	        "{\"time\":\"2026-11-29T20:00:%02u.000Z\",\"upstream\":\"spare\",\"failed_upstream\":\"patient\",\"status\":200,"
	        "\"attempts\":%u,\"duration_ms\":%u.0,%s}\n",
	        end_s, attempts, took_ms, rest);
}

static void expect_call(size_t i, unsigned upstream, enum call_end end, int64_t begin_ms, int64_t end_ms)
{
	const struct call *one = &story.calls.list[i];

	assert_int_equal(one->upstream, upstream);
	assert_int_equal(one->end, end);
	assert_int_equal(one->begin_ms - INT64_C(1795982400000), begin_ms);
	assert_int_equal(one->end_ms - INT64_C(1795982400000), end_ms);
}

/* A line of fallback.upstream tells of two calls, if the first upstream was asked at all. */
static void test_calls_that_another_upstream_answered(void **state)
{
	static const char answered[] = "\"endpoint\":\"10.0.0.1:80\",\"outcome\":\"answered\",\"response_ms\":20.0";

	(void)state;
	begin_story_with("minimum_calls: 1", "upstream: spare");
	detoured_call(10, 1020, 2, answered);
	detoured_call(20, 20, 1, answered); /* a breaker that was open */
	detoured_call(30, 1000, 1, "\"endpoint\":null,\"outcome\":\"no_endpoint\",\"response_ms\":null");
	detoured_call(59, 30000, 2, answered); /* most of it was the body */
	read_story();
	assert_int_equal(story.calls.lines, 4);
	assert_int_equal(story.calls.detoured, 4);
	assert_int_equal(story.calls.no_call, 1);
	assert_int_equal(story.calls.count, 7);
	expect_call(0, 0, CALL_FAILED, 8980, 9980);
	expect_call(1, 0, CALL_UNKNOWN, 19980, 19980);
	expect_call(2, 0, CALL_FAILED, 29000, 30000);
	expect_call(3, 0, CALL_FAILED, 29000, 34000);
	expect_call(4, 1, CALL_FINE, 9980, 10000);
	expect_call(5, 1, CALL_FINE, 19980, 20000);
	free_story();
	begin_story_with("minimum_calls: 1", "upstream: spare, on_statuses: [404]");
	detoured_call(10, 1020, 2, answered);
	read_story();
	expect_call(0, 0, CALL_UNKNOWN, 8980, 9980); /* a 404 is no failure */
	free_story();
}

static void test_calls_longer_than_a_minute(void **state)
{
	struct replay replay;

	(void)state;
	for (unsigned seconds = 90; seconds <= 110; seconds += 20) {
		begin_story("minimum_calls: 1, slow_call: 100s");
		call(120000, 1000 * seconds, 200, "answered");
		replay = end_story();
		assert_int_equal(replay.opened, seconds > 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_combined),
		cmocka_unit_test(test_other_lines),
		cmocka_unit_test(test_spared_and_in_vain),
		cmocka_unit_test(test_lines_out_of_order),
		cmocka_unit_test(test_what_says_nothing),
		cmocka_unit_test(test_names_with_nul),
		cmocka_unit_test(test_replaced_answers),
		cmocka_unit_test(test_calls_that_another_upstream_answered),
		cmocka_unit_test(test_calls_longer_than_a_minute),
	};

	return cmocka_run_group_tests_name("replay", tests, NULL, NULL);
}
