/*
 * The search goes from the right, because each proxy writes behind what it got. An element that is not an address ends it (in
 * Forwarded also "unknown", and names that a proxy made up), because nobody vouches for those before it; empty elements don't count
 * (RFC 9110 section 5.6.1).
 *
 * X-Forwarded-For comes first: a proxy that writes it may pass on a Forwarded of its client's.
 */
#include "gateway/exchange/named_client.h"

#include "gateway/http/forwarded.h"

/* Takes the last element of "1.2.3.4, 5.6.7.8"; the rest stays in the list. */
static struct slice take_last(struct slice *list)
{
	const char *end = list->data + list->length, *from = end;

	while (from > list->data && from[-1] != ',')
		from--;
	list->length = from > list->data ? (size_t)(from - 1 - list->data) : 0;
	while (from < end && (*from == ' ' || *from == '\t'))
		from++;
	while (end > from && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	return (struct slice){ from, (size_t)(end - from) };
}

/* Some proxies write the port as well: 192.0.2.1:80, [2001:db8::1]:80. Removes it from `text`. */
static bool parse_ip(struct address *address, struct slice *text)
{
	char copy[ADDRESS_TEXT_MAX];
	bool has_brackets;
	const char *end;

	if (text->length == 0 || text->length >= sizeof copy)
		return false;
	memcpy(copy, text->data, text->length);
	copy[text->length] = '\0';
	if (!address_parse(address, copy, 1))
		return false;
	has_brackets = copy[0] == '[';
	end = has_brackets ? strchr(copy, ']') : address->family == 4 ? strchr(copy, ':') : NULL;
	if (end != NULL)
		*text = (struct slice){ text->data + has_brackets, (size_t)(end - copy) - has_brackets };
	return true;
}

bool named_client_read(enum field_id id, struct slice *element, struct address *address)
{
	struct forwarded_element said;
	bool has_brackets;

	if (id != FIELD_FORWARDED)
		return parse_ip(address, element);
	if (!forwarded_parse(*element, &said) || said.node.length == 0)
		return false;
	*element = said.node;
	has_brackets = said.node.data[0] == '[';
	return parse_ip(address, element) && has_brackets == (address->family == 6); /* RFC 7239 section 6 */
}

/* Out of line: only a trusted proxy names anybody. */
__attribute__((noinline)) struct slice named_client_find(const struct config *config, const struct request *request)
{
	bool is_old = fields_have(&request->fields, FIELD_BIT(FIELD_X_FORWARDED_FOR));
	enum field_id id = is_old ? FIELD_X_FORWARDED_FOR : FIELD_FORWARDED;
	struct slice found = { NULL, 0 };
	struct address address;

	for (size_t i = request->fields.count; i-- > 0;) {
		struct slice list = request->fields.list[i].value;

		if (request->fields.list[i].id != id)
			continue;
		while (list.length > 0) {
			struct slice last = take_last(&list);

			if (last.length == 0)
				continue;
			if (!named_client_read(id, &last, &address))
				return found;
			found = last;
			if (!config_trusts(config, &address))
				return found;
		}
	}
	return found;
}
