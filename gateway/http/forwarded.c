#include "gateway/http/forwarded.h"

#include "gateway/http/characters.h"

static struct slice take_token(struct slice *rest)
{
	size_t length = 0;

	while (length < rest->length && char_is(rest->data[length], CHAR_TOKEN))
		length++;
	*rest = (struct slice){ rest->data + length, rest->length - length };
	return (struct slice){ rest->data - length, length };
}

static bool take_byte(struct slice *rest, char byte)
{
	if (rest->length == 0 || rest->data[0] != byte)
		return false;
	*rest = (struct slice){ rest->data + 1, rest->length - 1 };
	return true;
}

static bool is_plain(char c)
{
	return c > ' ' && c < 0x7f && strchr(",;=\"\\", c) == NULL;
}

/* Empty: it is malformed, or says nothing. */
static struct slice take_value(struct slice *rest)
{
	const struct slice none = { NULL, 0 };
	size_t length = 0;

	if (!take_byte(rest, '"'))
		return take_token(rest);
	while (length < rest->length && is_plain(rest->data[length]))
		length++;
	*rest = (struct slice){ rest->data + length, rest->length - length };
	return take_byte(rest, '"') ? (struct slice){ rest->data - 1 - length, length } : none;
}

bool forwarded_parse(struct slice text, struct forwarded_element *element)
{
	static const struct slice names[] = { { "for", 3 }, { "proto", 5 }, { "host", 4 } };
	struct slice *const values[] = { &element->node, &element->proto, &element->host };

	*element = (struct forwarded_element){ .node = { NULL, 0 } };
	while (text.length > 0) {
		struct slice name, value;

		if (take_byte(&text, ';'))
			continue;
		name = take_token(&text);
		if (name.length == 0 || !take_byte(&text, '='))
			return false;
		value = take_value(&text);
		if (value.length == 0 || (text.length > 0 && text.data[0] != ';'))
			return false;
		for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
			if (!slice_equal_nocase(name, names[i]))
				continue;
			if (values[i]->length > 0)
				return false;
			*values[i] = value;
		}
	}
	return true;
}
