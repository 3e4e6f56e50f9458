/*
 * One element of Forwarded, as it stands between two commas. Must hold: what is taken out of it can stand in another field, and
 * means the same when it is written anew.
 */
#include "gateway/http/forwarded.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_pair(struct slice value, const char *text, size_t size)
{
	if (value.length == 0)
		return;
	CHECK(value.data >= text && value.data + value.length <= text + size);
	for (size_t i = 0; i < value.length; i++)
		CHECK(value.data[i] > ' ' && value.data[i] < 0x7f && strchr("\",;=\\", value.data[i]) == NULL);
}

static bool is_same(struct slice a, struct slice b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct forwarded_element element, again;
	char anew[PAGE_ROOM + 64], *text, *to = anew;

	if (size > PAGE_ROOM)
		return 0;
	for (size_t cut = 0; cut < size; cut = check_next_cut(cut, size))
		(void)forwarded_parse((struct slice){ page_lay(data, cut), cut }, &element);
	text = page_lay(data, size);
	if (!forwarded_parse((struct slice){ text, size }, &element))
		return 0;
	check_pair(element.node, text, size);
	check_pair(element.proto, text, size);
	check_pair(element.host, text, size);
	if (element.node.length > 0)
		to += sprintf(to, "For=\"%.*s\"", (int)element.node.length, element.node.data);
	if (element.proto.length > 0)
		to += sprintf(to, ";;PROTO=\"%.*s\"", (int)element.proto.length, element.proto.data);
	if (element.host.length > 0)
		to += sprintf(to, ";host=\"%.*s\";", (int)element.host.length, element.host.data);
	CHECK(forwarded_parse((struct slice){ anew, (size_t)(to - anew) }, &again));
	CHECK(is_same(element.node, again.node) && is_same(element.proto, again.proto) && is_same(element.host, again.host));
	return 0;
}
