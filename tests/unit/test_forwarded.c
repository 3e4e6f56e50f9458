/* Elements of Forwarded (RFC 7239), and what is refused because readers would differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/http/forwarded.h"
#include "tests/unit/page.h"

static bool parse(const char *text, size_t length, struct forwarded_element *element)
{
	return forwarded_parse((struct slice){ page_lay(text, length), length }, element);
}

static bool is_text(struct slice slice, const char *text)
{
	return slice.length == strlen(text) && memcmp(slice.length == 0 ? "" : slice.data, text, slice.length) == 0;
}

static void test_elements(void **state)
{
	static const struct { const char *text, *node, *proto, *host; } cases[] = {
		{ "", "", "", "" }, { ";", "", "", "" }, { "by=_x;ext=1", "", "", "" },
		{ "for=192.0.2.1", "192.0.2.1", "", "" },
		{ "For=unknown;PROTO=https;hOST=pub", "unknown", "https", "pub" },
		{ "proto=https;for=\"[2001:db8::1]:80\";host=\"pub:81\"", "[2001:db8::1]:80", "https", "pub:81" },
		{ ";for=_hidden;;by=\"1:2\";", "_hidden", "", "" },
		{ "for=\"192.0.2.1:80\"", "192.0.2.1:80", "", "" },
		{ "xfor=a;forx=b;fo=c", "", "", "" },
	};
	struct forwarded_element element;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (!parse(cases[i].text, strlen(cases[i].text), &element) || !is_text(element.node, cases[i].node) ||
		    !is_text(element.proto, cases[i].proto) || !is_text(element.host, cases[i].host))
			fail_msg("%s", cases[i].text);
}

static void test_refused(void **state)
{
	static const char *const cases[] = {
		"for", "for=", "=a", "for=\"\"", "for=\"", "for=\"a", "for=a\"", "for=\"a\"b", "for=\"a\"\"b\"", "for =a", "for= a",
		" for=a", "for=a ", "for=a; proto=b", "for=a ;proto=b", "for=a b", "for=192.0.2.1:80", "for=[::1]", "for=a,for=b",
		"for=\"a,b\"", "for=\"a;proto=https\"", "by=\"proto=https\"", "for=\"a\\\"b\"", "for=\"a b\"", "for=\"a\tb\"",
		"for=\"\xc3\xbc\"", "\xc3\xbc=a",
		"for=a;for=b", "proto=a;PROTO=a", "host=a;by=x;Host=b", "for=a=b", "garbage",
	};
	struct forwarded_element element;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		if (parse(cases[i], strlen(cases[i]), &element))
			fail_msg("%s", cases[i]);
}

static void test_ends(void **state)
{
	static const char text[] = "proto=https;for=\"[2001:db8::1]:80\";host=\"pub:81\"";
	struct forwarded_element element;

	(void)state;
	for (size_t length = 0; length < sizeof text; length++)
		(void)parse(text, length, &element);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_ends),
	};

	return cmocka_run_group_tests_name("forwarded", tests, NULL, NULL);
}
