/* Tags that every metric gets, as Micrometer's common tags. */
#include "routes/config/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "routes/config/complaints.h"
#include "routes/config/keys.h"
#include "routes/config/value.h"

/* Labels that metrics have of their own: a second one of that name would make the text unreadable. */
static const char *const OWN_LABELS[] = {
	"endpoint", "error", "event", "exception", "group", "httpMethod", "httpStatusCode", "http_method", "http_status_code",
	"key", "kind", "le", "method", "name", "outcome", "reason", "result", "route", "routeId", "routeUri",
	"spring_cloud_gateway_route_id", "spring_cloud_gateway_route_uri", "state", "status", "store", "terminal", "upstream",
	"uri", "version"};

static bool is_own_label(const char *name)
{
	for (size_t i = 0; i < sizeof(OWN_LABELS) / sizeof(OWN_LABELS[0]); i++)
		if (strcmp(OWN_LABELS[i], name) == 0)
			return true;
	return false;
}

static bool is_label(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return length > 0 && length <= 64 && name[length] == '\0' && (name[0] < '0' || name[0] > '9') &&
	       strncmp(name, "__", 2) != 0;
}

/* Values as in the file, in the order of their names, so that two gateways write the same. */
static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct metrics_tag *)a)->name, ((const struct metrics_tag *)b)->name);
}

static void read_tag(struct reader *reader, const struct yaml_node *node, struct metrics_tag *tag)
{
	const char *name = node->key->text, *value = reader_text(reader, node, name);

	if (!is_label(name))
		reader_error(reader, node->key,
		             "a tag's name has letters, digits and \"_\", and does not begin with a digit or \"__\": "
		                                "\"%.70s\"", name);
	else if (is_own_label(name))
		reader_error(reader, node->key, "the metrics already have a label \"%.64s\"", name);
	else if (value != NULL && (value[0] == '\0' || strlen(value) > METRICS_TAG_VALUE_MAX))
		reader_error(reader, node, "the value of tag \"%.64s\" is empty or longer than %d bytes", name, METRICS_TAG_VALUE_MAX);
	else if (value != NULL)
		*tag = (struct metrics_tag){reader_copy(reader, name, strlen(name)), reader_copy(reader, value, strlen(value))};
}

void read_tags(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;
	struct metrics_tag *tags;

	if (reader_is_empty(node))
		return;
	if (node->kind != YAML_MAPPING) {
		reader_error(reader, node, "%s takes a mapping of names to values, as in { application: gateway }", key->name);
		return;
	}
	if (node->count > METRICS_TAGS_MAX) {
		reader_error(reader, node, "%s has more than %d entries", key->name, METRICS_TAGS_MAX);
		return;
	}
	tags = reader_allocate(reader, (node->count + 1) * sizeof(*tags));
	if (tags == NULL)
		return;
	config->metrics_tags = tags;
	for (node = node->first; node != NULL; node = node->next) {
		if (node->is_refused)
			continue;
		read_tag(reader, node, &tags[config->metrics_tag_count]);
		config->metrics_tag_count += tags[config->metrics_tag_count].value != NULL;
	}
	qsort(tags, config->metrics_tag_count, sizeof(*tags), by_name);
}
