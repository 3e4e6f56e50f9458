/*
 * Java's syntax, because people bring it along: ${name}, $1, and a backslash that makes the next byte literal. Two more
 * spellings are accepted: "$\{name}", which Spring needs in its own files, and "$${name}", with the dollar sign doubled as
 * elsewhere in gateway.yml.
 */
#include "routes/replacement.h"

#include <stdio.h>
#include <string.h>

static const char WRITTEN[] = "a group is written ${name} or $1";

struct reading {
	const struct groups *groups;
	struct piece *pieces;
	size_t count;
	char *literals;
	char *error;
	size_t size;
};

static void put_literal(struct reading *reading, char byte)
{
	if (reading->count == 0 || reading->pieces[reading->count - 1].text == NULL)
		reading->pieces[reading->count++] = (struct piece){.text = reading->literals};
	*reading->literals++ = byte;
	reading->pieces[reading->count - 1].length++;
}

/* "{name}". Returns the text after it; NULL after an error. */
static const char *read_name(struct reading *reading, const char *at, uint32_t *group)
{
	size_t length = strcspn(at + 1, "}");
	char name[64];
	int found;

	if (at[1 + length] == '\0' || length == 0 || length >= sizeof(name)) {
		snprintf(reading->error, reading->size, "%s", WRITTEN);
		return NULL;
	}
	memcpy(name, at + 1, length);
	name[length] = '\0';
	found = reading->groups->find(reading->groups->code, name);
	if (found < 0)
		snprintf(reading->error, reading->size, "regex has no group \"%s\"", name);
	*group = (uint32_t)found;
	return found < 0 ? NULL : at + length + 2;
}

/* The number has as many digits as there are groups for: $12 is group 1 and a 2 if there is no group 12. */
static const char *read_number(struct reading *reading, const char *at, uint32_t *group)
{
	size_t length = 0;

	for (*group = 0; at[length] >= '0' && at[length] <= '9'; length++) {
		uint32_t more = *group * 10 + (uint32_t)(at[length] - '0');

		if (length > 0 && more > reading->groups->count)
			break;
		*group = more;
	}
	if (length == 0)
		snprintf(reading->error, reading->size, "%s", WRITTEN);
	else if (*group > reading->groups->count)
		snprintf(reading->error, reading->size, "regex has no group %u", (unsigned)*group);
	return length == 0 || *group > reading->groups->count ? NULL : at + length;
}

/* Behind a dollar sign. */
static const char *read_group(struct reading *reading, const char *at)
{
	uint32_t group;

	at += at[0] == '$' ? 1 : 0;
	at += at[0] == '\\' && at[1] == '{' ? 1 : 0;
	at = *at == '{' ? read_name(reading, at, &group) : read_number(reading, at, &group);
	if (at != NULL)
		reading->pieces[reading->count++] = (struct piece){.group = group};
	return at;
}

bool replacement_read(struct replacement *replacement, const char *text, const struct groups *groups,
                      void *(*allocate)(void *context, size_t size), void *context, char *error, size_t size)
{
	struct reading reading = {.groups = groups, .error = error, .size = size};
	const char *at = text;

	reading.pieces = allocate(context, (strlen(text) + 1) * sizeof(*reading.pieces));
	reading.literals = allocate(context, strlen(text) + 1);
	if (reading.pieces == NULL || reading.literals == NULL)
		return false;
	while (at != NULL && *at != '\0') {
		if (*at == '$') {
			at = read_group(&reading, at + 1);
		} else {
			at += at[0] == '\\' && at[1] != '\0' ? 1 : 0;
			put_literal(&reading, *at++);
		}
	}
	*replacement = (struct replacement){.pieces = reading.pieces, .count = reading.count};
	return at != NULL;
}
