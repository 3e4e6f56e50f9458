/*
 * Single values: numbers with a unit, words of a list, lists of statuses, text; and the environment that is inserted into all
 * of them. Parsing a number never overflows: a number that does not fit counts as out of range.
 */
#include "routes/config/value.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "routes/config/complaints.h"
#include "routes/config/keys.h"

/* ---- the environment --------------------------------------------------------------------------------------------- */

static bool is_name_byte(char byte, bool is_first)
{
	return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || byte == '_' ||
	       (!is_first && byte >= '0' && byte <= '9');
}

/* Text that is being put together; `text` NULL only counts. */
struct expansion {
	char *text;
	size_t length;
};

static void append(struct expansion *expansion, const char *bytes, size_t length)
{
	if (expansion->text != NULL)
		memcpy(expansion->text + expansion->length, bytes, length);
	expansion->length += length;
}

/* Well-formed UTF-8 without surrogates, as YAML asks of the file itself. */
static bool is_utf8(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at != '\0') {
		size_t length = *at < 0x80 ? 1 : *at >= 0xf5 ? 0 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : *at >= 0xc2 ? 2 : 0;

		if (length == 0 || (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
		    (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
			return false;
		for (size_t i = 1; i < length; i++)
			if ((at[i] & 0xc0) != 0x80)
				return false;
		at += length;
	}
	return true;
}

static void append_default(struct expansion *expansion, const char *at, const char *end)
{
	for (; at < end; at++) {
		append(expansion, at, 1);
		if (at[0] == '$' && at[1] == '$')
			at++;
	}
}

/* One "${...}" at `at`. Returns what follows it; NULL after a complaint (made only while counting). */
static const char *expand_one(struct reader *reader, const struct yaml_node *node, const char *at,
                              struct expansion *expansion)
{
	const char *name = at + 2, *end = name, *close, *value, *inner;
	char copy[128];
	size_t length;

	while (is_name_byte(*end, end == name))
		end++;
	length = (size_t)(end - name);
	close = strchr(end, '}');
	if (length == 0 || length >= sizeof(copy) || close == NULL || (end[0] != '}' && strncmp(end, ":-", 2) != 0)) {
		reader_error(reader, node, "\"%.20s\" is not ${NAME} or ${NAME:-default}; a dollar sign is written $$", at);
		return NULL;
	}
	inner = strstr(end, "${");
	if (inner != NULL && inner < close) {
		reader_error(reader, node, "\"%.20s\": a default can't hold another ${...}", at);
		return NULL;
	}
	memcpy(copy, name, length);
	copy[length] = '\0';
	value = getenv(copy);
	if (end[0] == ':' && (value == NULL || value[0] == '\0')) {
		append_default(expansion, end + 2, close);
	} else if (value == NULL) {
		reader_error(reader, node, "environment variable %.60s is not set, and there is no ${%.60s:-default}", copy,
		             copy);
		return NULL;
	} else if (!is_utf8(value)) {
		reader_error(reader, node, "environment variable %.60s is not UTF-8", copy);
		return NULL;
	} else {
		append(expansion, value, strlen(value));
	}
	return close + 1;
}

static bool expand(struct reader *reader, const struct yaml_node *node, struct expansion *expansion)
{
	for (const char *at = node->text; at != NULL && *at != '\0';) {
		size_t plain = strcspn(at, "$");

		append(expansion, at, plain);
		at += plain;
		if (at[0] == '$' && at[1] == '{') {
			at = expand_one(reader, node, at, expansion);
			if (at == NULL)
				return false;
		} else if (at[0] == '$') {
			append(expansion, "$", 1);
			at += at[1] == '$' ? 2 : 1;
		}
	}
	return true;
}

bool reader_is_empty(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && node->is_plain && (node->length == 0 || strcmp(node->text, "~") == 0);
}

static bool is_single(struct reader *reader, const struct yaml_node *node, const char *what)
{
	if (node->kind != YAML_SCALAR)
		reader_error(reader, node, "%s takes a single value, not a %s", what, node->kind == YAML_MAPPING ? "mapping" : "list");
	else if (reader_is_empty(node))
		reader_error(reader, node, "%s has no value", what);
	else
		return true;
	return false;
}

const char *reader_text(struct reader *reader, const struct yaml_node *node, const char *what)
{
	struct expansion expansion = {0};

	if (!is_single(reader, node, what))
		return NULL;
	if (memchr(node->text, '$', node->length) == NULL)
		return node->text;
	if (!expand(reader, node, &expansion))
		return NULL;
	reader->expanded_bytes += expansion.length;
	if (reader->expanded_bytes > CONFIG_EXPANDED_BYTES_MAX) {
		reader_error(reader, node, "environment variables make the file larger than 16 MiB");
		return NULL;
	}
	expansion.text = reader_allocate_scratch(reader, expansion.length + 1);
	expansion.length = 0;
	return expansion.text != NULL && expand(reader, node, &expansion) ? expansion.text : NULL;
}

/* The next key of the mapping follows a value that stands for a list, so the list ends there. */
static const struct yaml_node *list_of_one(struct reader *reader, const struct yaml_node *node)
{
	struct yaml_node *copy = reader_allocate_scratch(reader, sizeof(*copy));

	if (copy == NULL)
		return NULL;
	*copy = *node;
	copy->next = NULL;
	return copy;
}

const struct yaml_node *reader_list(struct reader *reader, const struct yaml_node *node, const char *what,
                                    bool may_be_scalar, size_t *count)
{
	*count = 0;
	if (node->kind == YAML_SEQUENCE) {
		*count = node->count;
		return node->first;
	}
	if (may_be_scalar && node->kind == YAML_SCALAR && !reader_is_empty(node)) {
		const struct yaml_node *one = list_of_one(reader, node);

		*count = one != NULL;
		return one;
	}
	if (reader_is_empty(node) && may_be_scalar)
		reader_error(reader, node, "%s has no value", what);
	else if (!reader_is_empty(node))
		reader_error(reader, node, "%s takes a %slist, as in [%.60s]", what, may_be_scalar ? "single value or a " : "",
		             node->kind == YAML_SCALAR ? node->text : "a, b");
	return NULL;
}

void *reader_array(struct reader *reader, const struct key *key, const struct yaml_node *node, bool may_be_scalar, size_t size,
                   entry_take *take, size_t *count)
{
	size_t most;
	const struct yaml_node *item = reader_list(reader, node, key->name, may_be_scalar, &most);
	void *list = most > 0 ? reader_allocate(reader, most * size) : NULL;

	*count = 0;
	for (; item != NULL && list != NULL; item = item->next) {
		const char *text = item->is_refused ? NULL : reader_text(reader, item, key->name);

		if (text != NULL && take(reader, item, text, list, *count))
			++*count;
	}
	return list;
}

/* JSON and many writers of YAML know no other words. */
bool value_is_on(const char *text)
{
	return strcmp(text, "on") == 0 || strcasecmp(text, "true") == 0;
}

bool value_is_off(const char *text)
{
	return strcmp(text, "off") == 0 || strcasecmp(text, "false") == 0;
}

bool value_is_nothing(const struct yaml_node *node)
{
	return node->kind == YAML_SCALAR && (value_is_off(node->text) || strcmp(node->text, "none") == 0);
}

size_t value_token_length(const char *text)
{
	return strspn(text, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

bool value_is_token(const char *text)
{
	return text[0] != '\0' && text[value_token_length(text)] == '\0';
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

struct unit {
	const char *text;
	uint64_t factor;
};

static const struct unit DURATIONS[] = {{"ms", 1}, {"s", SECOND}, {"m", MINUTE}, {"h", HOUR}, {NULL, 0}},
                         SIZES[] = {{"B", 1}, {"KiB", KIB}, {"MiB", MIB}, {"GiB", GIB}, {NULL, 0}},
                         PERCENT[] = {{"%", 100}, {NULL, 0}},
                         COUNT[] = {{"", 1}, {NULL, 0}};

static const struct {
	const struct unit *units;
	const char *takes;
	const char *word; /* stands for `meaning` */
	uint64_t meaning;
} NUMBERS[KINDS] = {
	[KIND_COUNT] = {COUNT, "a whole number", NULL, 0},
	[KIND_COUNT_OR_AUTO] = {COUNT, "a whole number or auto", "auto", 0},
	[KIND_COUNT_OR_NONE] = {COUNT, "a whole number or none", "none", 0},
	[KIND_DURATION] = {DURATIONS, "a duration with its unit, as in 250ms, 1s, 5m", NULL, 0},
	[KIND_DURATION_OR_OFF] = {DURATIONS, "a duration with its unit, as in 250ms, 1s, 5m, or off", "off", 0},
	[KIND_LOG_WHEN] = {DURATIONS, "all, failures, or a duration with its unit, as in 250ms, 1s, 5m", "all", 0},
	[KIND_SIZE] = {SIZES, "a size with its unit, as in 16KiB, 1MiB", NULL, 0},
	[KIND_SIZE_OR_AUTO] = {SIZES, "a size with its unit, as in 16KiB, 1MiB, or auto", "auto", 0},
	[KIND_SIZE_OR_NONE] = {SIZES, "a size with its unit, as in 16KiB, 1MiB, or none", "none", UINT64_MAX},
	[KIND_PERCENT] = {PERCENT, "a share with a percent sign and two decimals at most, as in 50% or 12.5%", NULL, 0},
};

/* ".5" and ".25" in hundredths; *at is moved behind it. */
static bool parse_decimals(const char **at, uint64_t *hundredths)
{
	uint64_t factor = 10;

	*hundredths = 0;
	if (**at != '.')
		return true;
	while (*++*at >= '0' && **at <= '9' && factor > 0) {
		*hundredths += (uint64_t)(**at - '0') * factor;
		factor /= 10;
	}
	return factor < 10; /* a third digit is no unit */
}

/* False: not a number with one of these units; only shares have decimals. A number that is too large comes out as
 * UINT64_MAX - 1. */
static bool parse_number(const char *text, const struct unit *units, uint64_t *value)
{
	const uint64_t too_large = UINT64_MAX - 1;
	uint64_t number = 0, hundredths = 0;
	const char *at = text;

	for (; *at >= '0' && *at <= '9'; at++)
		number = number > too_large / 10 - 1 ? too_large : number * 10 + (uint64_t)(*at - '0');
	if (at == text || (units == PERCENT && !parse_decimals(&at, &hundredths)))
		return false;
	while (*at == ' ')
		at++;
	for (; units->text != NULL; units++) {
		/* Nothing is nothing in every unit. */
		if (strcmp(at, units->text) == 0 || (*at == '\0' && number == 0 && hundredths == 0)) {
			*value = number >= too_large / units->factor ? too_large : number * units->factor + hundredths;
			return true;
		}
	}
	return false;
}

void read_number(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	const char *text = reader_text(reader, node, key->name);
	char least[KEY_VALUE_TEXT_MAX], most[KEY_VALUE_TEXT_MAX];
	uint64_t value;

	if (text == NULL)
		return;
	if (key->kind == KIND_DURATION_OR_OFF && value_is_off(text))
		text = NUMBERS[key->kind].word;
	if (NUMBERS[key->kind].word != NULL && strcmp(text, NUMBERS[key->kind].word) == 0) {
		key_store(key, into, NUMBERS[key->kind].meaning);
	} else if (!parse_number(text, NUMBERS[key->kind].units, &value)) {
		reader_error(reader, node, "%s takes %s, not \"%.40s\"", key->name, NUMBERS[key->kind].takes, text);
	} else if (value < key->least || value > key->most) {
		struct key plain = *key;

		/* The least may be 0, which is "0s" here and no word. */
		plain.kind = NUMBERS[key->kind].units == COUNT ? KIND_COUNT
		             : NUMBERS[key->kind].units == SIZES ? KIND_SIZE
		             : NUMBERS[key->kind].units == DURATIONS ? KIND_DURATION : key->kind;
		reader_error(reader, node, "%s must be between %s and %s, not \"%.40s\"", key->name,
		             key_format(&plain, key->least, least), key_format(&plain, key->most, most), text);
	} else {
		key_store(key, into, value);
	}
}

/* ---- words, statuses, text --------------------------------------------------------------------------------------- */

void read_choice(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	const char *text = reader_text(reader, node, key->name), *word = key->words;
	struct suggestion suggestion;
	char words[4][KEY_VALUE_TEXT_MAX], all[120] = "";
	uint64_t count = 1;

	if (text == NULL)
		return;
	for (const char *at = word; (at = strchr(at, '|')) != NULL; at++)
		count++;
	suggestion = suggestion_begin(text);
	for (uint64_t i = 0; i < count && i < 4; i++) {
		key_format(key, i, words[i]);
		if (strcmp(text, words[i]) == 0 || (strcmp(words[i], "on") == 0 && value_is_on(text)) ||
		    (strcmp(words[i], "off") == 0 && value_is_off(text))) {
			key_store(key, into, i);
			return;
		}
		suggestion_offer(&suggestion, words[i]);
		strcat(strcat(all, i == 0 ? "" : i + 1 == count ? " or " : ", "), words[i]);
	}
	if (suggestion.best != NULL)
		reader_error(reader, node, "%s is %s, not \"%.40s\"; did you mean \"%s\"?", key->name, all, text,
		             suggestion.best);
	else
		reader_error(reader, node, "%s is %s, not \"%.40s\"", key->name, all, text);
}

void read_statuses(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	uint64_t *bits = (uint64_t *)((char *)into + key->offset);
	size_t count;
	const struct yaml_node *item = reader_list(reader, node, key->name, false, &count);

	memset(bits, 0, key->size);
	for (; item != NULL; item = item->next) {
		const char *text = item->is_refused ? NULL : reader_text(reader, item, key->name);
		uint64_t status;

		if (text == NULL)
			continue;
		if (!parse_number(text, COUNT, &status) || status < key->least || status > key->most)
			reader_error(reader, item, "%s takes statuses between %" PRIu64 " and %" PRIu64 ", not \"%.40s\"",
			             key->name, key->least, key->most, text);
		else if (bits[status / 64] >> (status % 64) & 1)
			reader_error(reader, item, "%s has %" PRIu64 " twice", key->name, status);
		else
			bits[status / 64] |= UINT64_C(1) << (status % 64);
	}
}

void read_plain_text(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	const char *text = reader_text(reader, node, key->name);

	if (text != NULL)
		*(const char **)((char *)into + key->offset) = reader_copy(reader, text, strlen(text));
}

/* Its dollar signs mean something else. */
void read_raw_text(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	if (is_single(reader, node, key->name))
		*(const char **)((char *)into + key->offset) = reader_copy(reader, node->text, node->length);
}
