/*
 * /actuator/metrics as Spring Boot has it: meters by the names that Micrometer gives them. There is one list of metrics, the
 * Prometheus text; it is read back here rather than written a second time.
 *
 *   http_server_requests_seconds_count{uri="/a"} 3     http.server.requests     COUNT 3           tag uri:/a
 *   http_server_requests_seconds_sum{uri="/a"} 0.5                              TOTAL_TIME 0.5
 *   http_server_requests_seconds_max{uri="/a"} 0.4                              MAX 0.4
 *   hystrix_execution_total{key="a"} 7                 hystrix.execution        COUNT 7           tag key:a
 *   process_files_open_files 12                        process.files.open       VALUE 12
 */
#include "gateway/admin/meters.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "gateway/admin/prometheus.h"

enum { NAME_MAX_BYTES = 128, TAGS_MAX = 8 + METRICS_TAGS_MAX, ASKED_MAX = 8 };

/* Ranges in `statistics`, by what a family's TYPE says. */
enum { OF_TIMERS = 0, OF_COUNTERS = 3, OF_GAUGES = 4, STATISTICS = 5 };
enum { LARGEST = 2 }; /* where others are summed up */

static const struct {
	const char *ending, *name;
} statistics[STATISTICS] = { { "_count", "COUNT" }, { "_sum", "TOTAL_TIME" }, { "_max", "MAX" }, { "", "COUNT" }, { "", "VALUE" } };

struct family {
	char name[NAME_MAX_BYTES], meter[NAME_MAX_BYTES];
	const char *unit; /* NULL: none */
	size_t from, to;  /* its statistics */
	const char *help; /* to the end of the line */
};

struct sample {
	const char *name;
	const char *tags[TAGS_MAX]; /* "KEY:VALUE" */
	size_t tag_count;
	double value;
};

struct meter {
	struct family family;
	double values[STATISTICS];
	size_t sample_count;
	json_t *tags; /* {"status": {"200": true}} */
};

/* ---- families ------------------------------------------------------------------------------------------------------ */

/* Without the ending, and with dots. Counters of our own keep theirs: gateway.requests is a timer of Spring Cloud Gateway 2. */
static void name_meter(struct family *family)
{
	static const struct {
		const char *ending, *unit;
	} endings[] = { { "_total", NULL }, { "_seconds", "seconds" }, { "_bytes", "bytes" }, { "_files", "files" },
	                { "_ns_total", "ns" } };
	size_t length = strlen(family->name), cut = 0;

	family->unit = NULL;
	for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
		size_t ending = strlen(endings[i].ending);

		if (length <= ending || strcmp(family->name + length - ending, endings[i].ending) != 0)
			continue;
		family->unit = endings[i].unit;
		cut = family->from == OF_COUNTERS && strncmp(family->name, "gateway_", 8) == 0 ? 0 : ending;
	}
	snprintf(family->meter, sizeof family->meter, "%.*s", (int)(length - cut), family->name);
	for (char *at = family->meter; (at = strchr(at, '_')) != NULL;)
		*at = '.';
}

/* In the line before the family's TYPE: # HELP NAME help */
static const char *help_of(const char *type, const char *name)
{
	while (strncmp(type, "# HELP ", 7) != 0)
		type--;
	return type + strlen("# HELP ") + strlen(name) + 1;
}

/* From `*at` on; false: there are no more. */
static bool next_family(const char **at, struct family *family)
{
	static const char mark[] = "\n# TYPE ";
	const char *type;
	size_t length;

	do {
		*at = strstr(*at, mark);
		if (*at == NULL)
			return false;
		*at += sizeof mark - 1;
		length = strcspn(*at, " ");
		assert(length < sizeof family->name);
		snprintf(family->name, sizeof family->name, "%.*s", (int)length, *at);
	} while (strstr(family->name, "_seconds_max") != NULL); /* one of a timer's statistics */
	type = *at + length;
	family->help = help_of(*at, family->name);
	family->from = strncmp(type, " counter", 8) == 0 ? OF_COUNTERS : strncmp(type, " gauge", 6) == 0 ? OF_GAUGES : OF_TIMERS;
	family->to = family->from == OF_TIMERS ? OF_COUNTERS : family->from + 1;
	name_meter(family);
	return true;
}

static json_t *names_of(const char *text)
{
	json_t *names = json_array();
	struct family family;

	while (next_family(&text, &family))
		json_array_append_new(names, json_string(family.meter));
	return json_pack("{s:o}", "names", names);
}

/* ---- samples ------------------------------------------------------------------------------------------------------- */

/* KEY="VALUE" becomes KEY:VALUE, in place; gives what follows it. */
static char *read_tag(char *at)
{
	char *to = at + strcspn(at, "=");

	*to++ = ':';
	for (at = to + 1; *at != '"'; at++) {
		if (*at == '\\' && *++at == 'n')
			*to++ = '\n';
		else
			*to++ = *at;
	}
	*to = '\0';
	return at + 1;
}

/* Cuts the line up. */
static struct sample read_sample(char *line)
{
	struct sample sample = { .name = line };
	char *at = line + strcspn(line, "{ ");
	bool has_tags = *at == '{';

	*at = '\0';
	while (has_tags) {
		assert(sample.tag_count < TAGS_MAX);
		sample.tags[sample.tag_count++] = ++at;
		at = read_tag(at);
		has_tags = *at == ',';
	}
	sample.value = strtod(at + 1, NULL);
	return sample;
}

/* STATISTICS: it is no sample of the family, or one of a bucket, which Spring does not show either. */
static size_t statistic_of(const struct family *family, const char *name)
{
	size_t length = strlen(family->name);

	if (strncmp(name, family->name, length) == 0)
		for (size_t i = family->from; i < family->to; i++)
			if (strcmp(name + length, statistics[i].ending) == 0)
				return i;
	return STATISTICS;
}

static bool has_tag(const struct sample *sample, const char *tag)
{
	for (size_t i = 0; i < sample->tag_count; i++)
		if (strcmp(sample->tags[i], tag) == 0)
			return true;
	return false;
}

static bool has_tags(const struct sample *sample, const json_t *tags)
{
	for (size_t i = 0; i < json_array_size(tags); i++)
		if (!has_tag(sample, json_string_value(json_array_get(tags, i))))
			return false;
	return true;
}

/* ---- a meter ------------------------------------------------------------------------------------------------------- */

static void note_tag(json_t *known, const char *tag)
{
	const char *value = strchr(tag, ':') + 1;
	size_t length = (size_t)(value - 1 - tag);
	json_t *values = json_object_getn(known, tag, length);

	if (values == NULL) {
		values = json_object();
		if (json_object_setn_new(known, tag, length, values) != 0)
			return; /* memory is short, and nobody has `values` any more */
	}
	json_object_set_new(values, value, json_true());
}

static json_t *keys_of(json_t *object)
{
	json_t *keys = json_array();

	for (void *at = json_object_iter(object); at != NULL; at = json_object_iter_next(object, at))
		json_array_append_new(keys, json_string(json_object_iter_key(at)));
	return keys;
}

/* Tags that the request named are no choice any more. */
static json_t *available_tags(json_t *known, const json_t *asked)
{
	json_t *available = json_array();

	for (size_t i = 0; i < json_array_size(asked); i++) {
		const char *tag = json_string_value(json_array_get(asked, i));

		json_object_deln(known, tag, strcspn(tag, ":"));
	}
	for (void *at = json_object_iter(known); at != NULL; at = json_object_iter_next(known, at))
		json_array_append_new(available, json_pack("{s:s, s:o}", "tag", json_object_iter_key(at), "values",
		                                           keys_of(json_object_iter_value(at))));
	return available;
}

static bool find_family(const char *text, const char *meter, struct family *family)
{
	while (next_family(&text, family))
		if (strcmp(family->meter, meter) == 0)
			return true;
	return false;
}

static void add_line(struct meter *meter, char *line, const json_t *tags)
{
	struct sample sample = read_sample(line);
	size_t statistic = statistic_of(&meter->family, sample.name);

	if (statistic == STATISTICS || !has_tags(&sample, tags))
		return;
	if (statistic != LARGEST)
		meter->values[statistic] += sample.value;
	else if (sample.value > meter->values[statistic])
		meter->values[statistic] = sample.value;
	for (size_t i = 0; i < sample.tag_count; i++)
		note_tag(meter->tags, sample.tags[i]);
	meter->sample_count++;
}

static json_t *measurements(const struct meter *meter)
{
	json_t *list = json_array();

	for (size_t i = meter->family.from; i < meter->family.to; i++)
		json_array_append_new(list, json_pack("{s:s, s:f}", "statistic", statistics[i].name, "value", meter->values[i]));
	return list;
}

/* Takes the text apart. */
static void answer_meter(struct page_request *request, char *text, const json_t *tags)
{
	struct meter meter = { .tags = json_object() };
	json_t *description = NULL;

	if (find_family(text, request->rest, &meter.family)) {
		description = json_stringn(meter.family.help, strcspn(meter.family.help, "\n"));
		for (char *line; (line = strsep(&text, "\n")) != NULL;)
			if (strncmp(line, meter.family.name, strlen(meter.family.name)) == 0)
				add_line(&meter, line, tags);
	}
	if (meter.sample_count == 0)
		page_error(request, 404, "there is no such meter");
	else
		page_json(request, 200, PAGE_ACTUATOR,
		          json_pack("{s:s, s:O, s:s*, s:o, s:o}", "name", request->rest, "description", description, "baseUnit",
		                    meter.family.unit, "measurements", measurements(&meter), "availableTags",
		                    available_tags(meter.tags, tags)));
	json_decref(description);
	json_decref(meter.tags);
}

/* Each is compared with all of the many samples. */
static bool are_tags(const json_t *tags)
{
	if (json_array_size(tags) > ASKED_MAX)
		return false;
	for (size_t i = 0; i < json_array_size(tags); i++)
		if (strchr(json_string_value(json_array_get(tags, i)), ':') == NULL)
			return false;
	return true;
}

void meters_page(struct page_request *request)
{
	json_t *tags = page_parameters(request, "tag");
	char *text = tags == NULL ? NULL : page_metrics(request);

	if (text != NULL) {
		if (!are_tags(tags))
			page_error(request, 400, "ask for a tag as tag=KEY:VALUE, and for 8 of them at most");
		else if (request->rest[0] == '\0')
			page_json(request, 200, PAGE_ACTUATOR, names_of(text));
		else
			answer_meter(request, text, tags);
	}
	free(text);
	json_decref(tags);
}
