/* What another gateway says: the good is read, everything else is refused or left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/admin/peer_answer.h"

#define HEAD "{\"format\":1,\"instance\":\"gateway-1\",\"name\":\"n\",\"version\":\"1\",\"config\":\"c\",\"state\":\"serving\""

static const char *read_error(const char *text)
{
	struct peer_answer answer;
	const char *error;

	if (!peer_answer_read(text, strlen(text), 1000, &answer, NULL, &error))
		return error;
	peer_answer_free(&answer);
	return "";
}

static void test_a_good_one(void **state)
{
	static const char text[] = HEAD ",\"uptimeMs\":5,\"wallMs\":7,\"second\":9,\"new\":[1],\"overrides\":[{\"breaker\":\"a\","
	                                "\"state\":\"FORCE_OPEN\",\"stamp\":\"018bcfe568000000\",\"leftMs\":500,"
	                                "\"reason\":\"r\",\"by\":\"b\","
	                                "\"at\":\"n\",\"origin\":\"o\",\"result\":\"applied\"}]}";
	struct peer_answer answer;
	const char *error;

	(void)state;
	assert_true(peer_answer_read(text, sizeof text - 1, 1000, &answer, NULL, &error));
	assert_string_equal(answer.instance, "gateway-1");
	assert_int_equal(answer.uptime_ms, 5);
	assert_int_equal(answer.second, 9);
	assert_false(answer.is_whole);
	assert_int_equal(answer.override_count, 1);
	assert_int_equal(answer.overrides[0].entry.until_ms, 1500);
	assert_int_equal(answer.overrides[0].entry.state, BREAKER_FORCED_OPEN);
	assert_string_equal(answer.overrides[0].result, "applied");
	peer_answer_free(&answer);
}

static void test_what_is_refused(void **state)
{
	char *large = malloc(PEER_ANSWER_MAX + 2);

	(void)state;
	assert_string_equal(read_error(""), "the answer is no JSON object");
	assert_string_equal(read_error("[]"), "the answer is no JSON object");
	assert_string_equal(read_error("{\"a\":1,\"a\":2}"), "the answer is no JSON object");
	assert_string_equal(read_error("{}"), "it is no gateway: the answer has no format");
	assert_string_equal(read_error("{\"format\":\"1\"}"), "it is no gateway: the answer has no format");
	assert_string_equal(read_error("{\"format\":2}"), "it is of another version, whose answers are not understood");
	assert_string_equal(read_error("{\"format\":1}"), "the answer is not as a gateway's has to be");
	assert_string_equal(read_error("{\"format\":1,\"instance\":7}"), "the answer is not as a gateway's has to be");
	assert_string_equal(read_error("{\"format\":1,\"instance\":\"0123456789012345678901234567890123\"}"),
	                    "the answer is not as a gateway's has to be");
	assert_string_equal(read_error("{\"format\":1,\"instance\":\"a\\u0007\"}"), "the answer is not as a gateway's has to be");
	assert_string_equal(read_error(HEAD ",\"wallMs\":-1}"), "the answer is not as a gateway's has to be");
	assert_string_equal(read_error(HEAD ",\"wallMs\":1.5}"), "the answer is not as a gateway's has to be");
	assert_string_equal(read_error(HEAD "}"), "");
	assert_non_null(large);
	memset(large, ' ', PEER_ANSWER_MAX + 1);
	large[PEER_ANSWER_MAX + 1] = '\0';
	assert_string_equal(read_error(large), "the answer is larger than 1 MiB");
	free(large);
}

/* Each gateway shows its own, of whatever size. */
static void test_a_tree_of_any_size(void **state)
{
	char *large = malloc(PEER_ANSWER_MAX + 1);
	json_t *root = json_loads(HEAD ",\"name\":\"node\",\"second\":9}", 0, NULL);
	struct peer_answer answer;
	const char *error;

	(void)state;
	assert_true(large != NULL && root != NULL);
	memset(large, 'x', PEER_ANSWER_MAX);
	large[PEER_ANSWER_MAX] = '\0';
	assert_int_equal(json_object_set_new(root, "x", json_string(large)), 0);
	free(large);
	large = json_dumps(root, JSON_COMPACT);
	assert_string_equal(read_error(large), "the answer is larger than 1 MiB");
	assert_true(peer_answer_take(root, 1000, &answer, &error));
	assert_null(error);
	assert_string_equal(answer.name, "node");
	assert_int_equal(answer.second, 9);
	peer_answer_free(&answer);
	assert_false(peer_answer_take(NULL, 1000, &answer, &error));
	assert_string_equal(answer.name, "");
	json_decref(root);
	free(large);
}

static size_t overrides_in(const char *list)
{
	char text[2048];
	struct peer_answer answer;
	const char *error;
	size_t count;

	snprintf(text, sizeof text, "%s,\"overrides\":%s}", HEAD, list);
	assert_true(peer_answer_read(text, strlen(text), 1000, &answer, NULL, &error));
	count = answer.override_count;
	peer_answer_free(&answer);
	return count;
}

#define ONE(more) "{\"breaker\":\"a\",\"state\":\"FORCE_OPEN\",\"stamp\":\"018bcfe568000000\"" more "}"

static void test_overrides_that_make_no_sense_are_left_out(void **state)
{
	(void)state;
	assert_int_equal(overrides_in("7"), 0);
	assert_int_equal(overrides_in("[7,null,{}]"), 0);
	assert_int_equal(overrides_in("[" ONE("") "]"), 1);
	assert_int_equal(overrides_in("[{}," ONE("") ",7]"), 1);
	assert_int_equal(overrides_in("[" ONE(",\"leftMs\":86400001") "]"), 0);
	assert_int_equal(overrides_in("[" ONE(",\"leftMs\":-1") "]"), 0);
	assert_int_equal(overrides_in("[" ONE(",\"leftMs\":\"1\"") "]"), 0);
	assert_int_equal(overrides_in("[" ONE(",\"reason\":\"a\\nb\"") "]"), 0);
	assert_int_equal(overrides_in("[{\"breaker\":\"\",\"state\":\"CLOSE\",\"stamp\":\"018bcfe568000000\"}]"), 0);
	assert_int_equal(overrides_in("[{\"breaker\":\"a\",\"state\":\"HALF_OPEN\",\"stamp\":\"018bcfe568000000\"}]"), 0);
	assert_int_equal(overrides_in("[{\"breaker\":\"a\",\"state\":\"CLOSE\",\"stamp\":\"ffffffffffffffff\"}]"), 0);
	assert_int_equal(overrides_in("[{\"breaker\":\"a\",\"state\":\"CLOSE\"}]"), 0);
}

static char shown[4096];

static void take_upstream(void *to, const char *name, json_t *cell)
{
	char *text = json_dumps(cell, JSON_COMPACT);

	(void)to;
	snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "%s=%s;", name, text);
	free(text);
	json_decref(cell);
}

static void take_endpoint(void *to, const char *name, const char *address, json_t *cell)
{
	char *text = json_dumps(cell, JSON_COMPACT);

	(void)to;
	snprintf(shown + strlen(shown), sizeof shown - strlen(shown), "%s/%s=%s;", name, address, text);
	free(text);
	json_decref(cell);
}

static const char *show(const char *upstreams, size_t seconds)
{
	char text[4096];
	struct peer_answer answer;
	const char *error;
	json_t *root;

	snprintf(text, sizeof text, "%s,\"upstreams\":%s}", HEAD, upstreams);
	assert_true(peer_answer_read(text, strlen(text), 1000, &answer, &root, &error));
	assert_true(answer.is_whole);
	shown[0] = '\0';
	peer_answer_each(root, seconds, take_upstream, take_endpoint, NULL);
	peer_answer_free(&answer);
	json_decref(root);
	return shown;
}

static void test_only_what_is_known_is_passed_on(void **state)
{
	(void)state;
	assert_string_equal(show("[{\"name\":\"a\",\"state\":\"open\",\"calls\":5,\"failureRate\":12.5,\"evil\":{\"x\":1}}]", 10),
	                    "a={\"state\":\"open\",\"calls\":5,\"failureRate\":12.5};");
	assert_string_equal(show("[{\"name\":\"a\",\"state\":7,\"calls\":\"5\",\"failures\":-5,\"observe\":1}]", 10), "a={};");
	assert_string_equal(show("[{\"name\":\"a\\nb\"},{\"name\":7},7,{}]", 10), "");
	assert_string_equal(show("[{\"name\":\"a\",\"endpoints\":[{\"address\":\"1.2.3.4:5\",\"inFlight\":3,\"x\":1},{},7]}]", 10),
	                    "a={};a/1.2.3.4:5={\"inFlight\":3};");
}

static void test_trends_are_cut(void **state)
{
	(void)state;
	assert_string_equal(show("[{\"name\":\"a\",\"requests\":\"1 22 333\"}]", 2), "a={\"requests\":\"22 333\"};");
	assert_string_equal(show("[{\"name\":\"a\",\"requests\":\"1 22 333\"}]", 3), "a={\"requests\":\"1 22 333\"};");
	assert_string_equal(show("[{\"name\":\"a\",\"requests\":\"1 22 333\"}]", 120), "a={\"requests\":\"1 22 333\"};");
	assert_string_equal(show("[{\"name\":\"a\",\"requests\":\"1 2 x\"}]", 120), "a={};");
	assert_string_equal(show("[{\"name\":\"a\",\"requests\":[1,2]}]", 120), "a={};");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_good_one),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_a_tree_of_any_size),
		cmocka_unit_test(test_overrides_that_make_no_sense_are_left_out),
		cmocka_unit_test(test_only_what_is_known_is_passed_on),
		cmocka_unit_test(test_trends_are_cut),
	};

	return cmocka_run_group_tests_name("peer_answer", tests, NULL, NULL);
}
