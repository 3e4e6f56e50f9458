/* Addresses and prefixes as text: what is read, what is refused, and that what is printed reads back the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "routes/address.h"

static void expect(const char *text, uint16_t default_port, const char *printed)
{
	struct address address, again;
	char back[ADDRESS_TEXT_MAX];

	assert_true(address_parse(&address, text, default_port));
	assert_int_equal(address_format(&address, back), strlen(printed));
	assert_string_equal(back, printed);
	assert_true(address_parse(&again, back, 0));
	assert_true(address_equal(&address, &again));
}

static void test_listeners(void **state)
{
	(void)state;
	expect("80", 0, "0.0.0.0:80");
	expect("65535", 0, "0.0.0.0:65535");
	expect("127.0.0.1:8081", 0, "127.0.0.1:8081");
	expect("[::1]:80", 0, "[::1]:80");
	expect("[0:0::1]:80", 53, "[::1]:80");
	expect("[ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535", 0,
	       "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}

static void test_default_port(void **state)
{
	(void)state;
	expect("8.8.8.8", 53, "8.8.8.8:53");
	expect("8.8.8.8:5353", 53, "8.8.8.8:5353");
	expect("[fd00::1]", 53, "[fd00::1]:53");
	expect("fd00::1", 53, "[fd00::1]:53");
}

static void test_refused(void **state)
{
	static const char *const TEXTS[] = {
		"", "0", "65536", "80x", "-1", "+80", " 80", "1.2.3.4", "1.2.3:80", "1.2.3.4:", "1.2.3.4:0", "1.2.3.4:99999",
		"::1:80", "[::1]", "[::1]80", "[::1", "[1.2.3.4]:80", "[]:80", "[fe80::1%eth0]:80", "name:80", ":80",
		"99999999999999999999", "[1111111111111111111111111111111111111111111111111111111111111]:80", "1.2.3.4:80:80",
	};
	struct address address;

	(void)state;
	for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++)
		assert_false(address_parse(&address, TEXTS[i], 0));
	assert_false(address_parse(&address, "53", 53)); /* a server has an address */
	assert_false(address_parse_ip(&address, "1.2.3.4 "));
	assert_int_equal(address.family, 0);
}

static void test_equal(void **state)
{
	struct address a, b;

	(void)state;
	assert_true(address_parse(&a, "1.2.3.4:80", 0));
	assert_true(address_parse(&b, "1.2.3.4:81", 0));
	assert_false(address_equal(&a, &b));
	assert_true(address_parse_ip(&a, "::1"));
	assert_true(address_parse_ip(&b, "::2"));
	assert_false(address_equal(&a, &b));
}

/* By family and bytes; the port says nothing. */
static void test_order(void **state)
{
	static const char *const RISING[] = {"1.2.3.4:9", "1.2.3.5:1", "127.0.0.1:1", "200.0.0.1:1", "[::1]:1", "[fd00::1]:1"};
	struct address a, b;

	(void)state;
	for (size_t i = 0; i < sizeof(RISING) / sizeof(RISING[0]); i++) {
		assert_true(address_parse(&a, RISING[i], 0));
		b = a;
		b.port = 7;
		assert_int_equal(address_compare(&a, &b), 0);
		for (size_t j = i + 1; j < sizeof(RISING) / sizeof(RISING[0]); j++) {
			assert_true(address_parse(&b, RISING[j], 0));
			assert_true(address_compare(&a, &b) < 0);
			assert_true(address_compare(&b, &a) > 0);
		}
	}
}

static bool contains(const char *prefix_text, const char *ip)
{
	struct prefix prefix;
	struct address address;

	assert_true(prefix_parse(&prefix, prefix_text));
	assert_true(address_parse_ip(&address, ip));
	return prefix_contains(&prefix, &address);
}

static void test_prefixes(void **state)
{
	(void)state;
	assert_true(contains("10.0.0.0/8", "10.255.0.1"));
	assert_false(contains("10.0.0.0/8", "11.0.0.1"));
	assert_true(contains("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_false(contains("10.0.0.0/8", "::10.1.2.3"));
	assert_true(contains("192.168.4.0/22", "192.168.7.255"));
	assert_false(contains("192.168.4.0/22", "192.168.8.0"));
	assert_true(contains("0.0.0.0/0", "1.2.3.4"));
	assert_false(contains("0.0.0.0/0", "::1"));
	assert_true(contains("1.2.3.4", "1.2.3.4"));
	assert_false(contains("1.2.3.4", "1.2.3.5"));
	assert_true(contains("fd00::/8", "fdff::1"));
	assert_false(contains("::/0", "1.2.3.4"));
	assert_true(contains("::1/128", "::1"));
}

static void test_refused_prefixes(void **state)
{
	static const char *const TEXTS[] = {"", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8x",
	                                    "10.0.0.0/-1",
	                                    "::/129", "fd00::1/64", "name/8", "10.0.0.0/8/8", "10/8"};
	struct prefix prefix;

	(void)state;
	for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++)
		assert_false(prefix_parse(&prefix, TEXTS[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listeners),  cmocka_unit_test(test_default_port),
		cmocka_unit_test(test_refused),    cmocka_unit_test(test_equal),
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_prefixes),   cmocka_unit_test(test_refused_prefixes),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
