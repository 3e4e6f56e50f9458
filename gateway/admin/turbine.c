#include "gateway/admin/turbine.h"

#include <string.h>

#include "gateway/admin/peer_answer.h"

/* ---- one member over all messages ------------------------------------------------------------------------------------ */

static json_int_t number_of(const json_t *value)
{
	return json_is_integer(value) && json_integer_value(value) > 0 ? json_integer_value(value) : 0;
}

static json_t *sum_numbers(const char *key, const json_t *messages)
{
	json_int_t sum = 0;

	for (size_t i = 0; i < json_array_size(messages); i++) {
		json_int_t value = number_of(json_object_get(json_array_get(messages, i), key));

		sum = value > INT64_MAX - sum ? INT64_MAX : sum + value;
	}
	return json_integer(sum);
}

static json_t *sum_latencies(const char *key, const json_t *like, const json_t *messages)
{
	json_t *sums = json_object(), *value;
	const char *share;

	json_object_foreach((json_t *)like, share, value) {
		json_int_t sum = 0;

		for (size_t i = 0; i < json_array_size(messages); i++) {
			json_int_t one = number_of(json_object_get(json_object_get(json_array_get(messages, i), key), share));

			sum = one > INT64_MAX - sum ? INT64_MAX : sum + one;
		}
		json_object_set_new(sums, share, json_integer(sum));
	}
	return sums;
}

/* The dashboard compares the number of open ones with reportingHosts. */
static json_t *sum_truths(const char *key, const json_t *messages)
{
	size_t count = json_array_size(messages), truths = 0;

	for (size_t i = 0; i < count; i++)
		truths += json_is_true(json_object_get(json_array_get(messages, i), key));
	if (truths == 0 || strcmp(key, "isCircuitBreakerOpen") != 0)
		return json_boolean(truths == count);
	if (truths == count)
		return count == 1 ? json_true() : json_integer((json_int_t)count);
	return json_sprintf("true: %zu, false: %zu", truths, count - truths);
}

/* `like`: a message of ours, for the names and kinds of members. */
static json_t *sum_messages(const char *name, const json_t *like, const json_t *messages)
{
	json_t *sum = json_object(), *value;
	const char *key;

	json_object_foreach((json_t *)like, key, value) {
		if (strcmp(key, "name") == 0)
			json_object_set_new(sum, key, json_string(name));
		else if (strcmp(key, "currentTime") == 0 || json_is_string(value) || json_is_null(value))
			json_object_set(sum, key, value);
		else if (json_is_object(value))
			json_object_set_new(sum, key, sum_latencies(key, value, messages));
		else if (json_is_boolean(value))
			json_object_set_new(sum, key, sum_truths(key, messages));
		else
			json_object_set_new(sum, key, sum_numbers(key, messages));
	}
	json_object_set_new(sum, "reportingHosts", json_integer((json_int_t)json_array_size(messages)));
	return sum;
}

/* ---- all of them ------------------------------------------------------------------------------------------------------ */

static void group_by_name(json_t *groups, const json_t *messages)
{
	for (size_t i = 0; i < json_array_size(messages) && i < PEER_UPSTREAMS_MAX; i++) {
		json_t *message = json_array_get(messages, i), *group;
		const char *name = json_string_value(json_object_get(message, "name"));

		if (!peer_is_text(name, PEER_NAME))
			continue;
		group = json_object_get(groups, name);
		if (group == NULL && json_object_size(groups) < PEER_UPSTREAMS_MAX) {
			group = json_array();
			json_object_set_new(groups, name, group);
		}
		if (group != NULL)
			json_array_append(group, message);
	}
}

json_t *turbine_sum(const json_t *own, const json_t *others)
{
	const json_t *like = json_array_get(own, 0);
	json_t *groups = json_object(), *sums = json_array(), *group;
	const char *name;

	group_by_name(groups, own);
	for (size_t i = 0; i < json_array_size(others); i++)
		group_by_name(groups, json_array_get(others, i));
	json_object_foreach(groups, name, group)
		if (like != NULL)
			json_array_append_new(sums, sum_messages(name, like, group));
	json_decref(groups);
	return sums;
}
