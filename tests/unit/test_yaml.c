/* The tree: places to the character, what is refused and yet read on, and input that was made to hurt. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/config/yaml.h"

/* One reading: its memory and its complaints, as lines "line:column text". */
static struct {
	void *pieces[300000];
	size_t count, most; /* most: then memory is short; 0 = never */
	char said[4096];
	size_t complaints;
} world;

static void *allocate(void *context, size_t size)
{
	assert_ptr_equal(context, &world);
	if (world.most != 0 && world.count >= world.most)
		return NULL;
	assert_true(world.count < sizeof(world.pieces) / sizeof(world.pieces[0]));
	return world.pieces[world.count++] = malloc(size);
}

static void complain(void *context, size_t line, size_t column, const char *text)
{
	size_t used = strlen(world.said);

	assert_ptr_equal(context, &world);
	world.complaints++;
	snprintf(world.said + used, sizeof(world.said) - used, "%zu:%zu %s\n", line, column, text);
}

static int teardown(void **state)
{
	(void)state;
	while (world.count > 0)
		free(world.pieces[--world.count]);
	memset(&world, 0, sizeof(world));
	return 0;
}

static struct yaml_node *parse_with(const char *text, size_t length,
                                    struct yaml_node *read(const char *text, size_t length, const struct yaml_reading *reading))
{
	struct yaml_reading reading = {allocate, complain, &world};
	/* A copy to its end, so that the sanitizer sees a step too far. */
	char *copy = malloc(length > 0 ? length : 1);
	struct yaml_node *root;
	size_t most = world.most;

	teardown(NULL);
	world.most = most;
	memcpy(copy, text, length);
	root = read(copy, length, &reading);
	free(copy);
	return root;
}

static struct yaml_node *parse_bytes(const char *text, size_t length)
{
	return parse_with(text, length, yaml_read);
}

static struct yaml_node *parse_foreign(const char *text)
{
	return parse_with(text, strlen(text), yaml_read_foreign);
}

static struct yaml_node *parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void test_places(void **state)
{
	struct yaml_node *root = parse("a: 1\nb:\n  - \"\xc3\xa4\"\n  - {c: 'x'}\n");
	const struct yaml_node *list = yaml_find(root, "b");
	const struct yaml_node *c;

	(void)state;
	assert_string_equal(world.said, "");
	assert_int_equal(root->kind, YAML_MAPPING);
	assert_int_equal(root->count, 2);
	assert_string_equal(yaml_find(root, "a")->text, "1");
	assert_true(yaml_find(root, "a")->is_plain);
	assert_int_equal(list->kind, YAML_SEQUENCE);
	assert_int_equal(list->count, 2);
	assert_int_equal(list->first->line, 3);
	assert_int_equal(list->first->column, 5);
	assert_int_equal(list->first->length, 2);
	assert_false(list->first->is_plain);
	c = yaml_find(list->first->next, "c");
	assert_int_equal(c->line, 4);
	assert_int_equal(c->key->column, 6);
	assert_int_equal(c->column, 9);
	assert_null(yaml_find(root, "d"));
	assert_null(yaml_find(NULL, "d"));
	assert_null(yaml_find(list, "d"));
}

static void test_columns_are_characters(void **state)
{
	(void)state;
	parse("{\"\xc3\xa4\xe2\x82\xac\": *x}");
	assert_string_equal(world.said, "1:8 aliases (*name) are not supported\n");
}

static void test_empty(void **state)
{
	static const char *const TEXTS[] = {"", "\n", "# nothing\n", "---\n", "--- \n...\n", "~"};

	(void)state;
	for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
		struct yaml_node *root = parse(TEXTS[i]);

		assert_string_equal(world.said, "");
		assert_int_equal(root->kind, YAML_SCALAR);
		assert_true(root->is_plain);
	}
}

static void test_refused_and_read_on(void **state)
{
	struct yaml_node *root = parse("a: &x 1\nb: *x\nc: !!str 2\nd: 3\nd: 4\n? [e]\n: 5\nf: \"a\\0b\"\nd: 6\n<<: {g: 1}\n");

	(void)state;
	assert_string_equal(world.said, "1:4 anchors (&name) are not supported\n"
	                                "2:4 aliases (*name) are not supported\n"
	                                "3:4 tags (!name) are not supported\n"
	                                "6:3 a key must be text\n"
	                                "8:4 a NUL byte can not be part of a value\n"
	                                "5:1 duplicate key \"d\", first in line 4\n"
	                                "9:1 duplicate key \"d\", first in line 4\n");
	assert_string_equal(yaml_find(root, "a")->text, "1");
	assert_true(yaml_find(root, "b")->is_refused);
	assert_string_equal(yaml_find(root, "d")->text, "3");
	assert_false(yaml_find(root, "d")->is_refused);
	assert_true(yaml_find(root, "d")->next->is_refused);
}

static void expect_refused(const char *text, const char *said)
{
	assert_null(parse(text));
	assert_string_equal(world.said, said);
}

static void test_syntax(void **state)
{
	(void)state;
	expect_refused("a: 1\nb: [1, 2\nc: 3\n", "3:2 did not find expected ',' or ']' (while parsing a flow sequence that "
	                                          "began in line 2)\n");
	expect_refused("a: \"x\n",
	               "2:1 found unexpected end of stream (while scanning a quoted scalar that began in line 1)\n");
	expect_refused("a:\n  b: { c: 1\nd: 2\n", "3:2 did not find expected ',' or '}': write it, or quote a text with a colon or a "
	               "comma in it (\"Sorry: closed\") (while parsing a flow mapping that began in line 2)\n");
	expect_refused("a:\n  b: 1\n c: 2\n", "3:2 did not find expected key: keys of one mapping begin in the same column, and a "
	               "quoted text ends at its quote (while parsing a block mapping that began in line 1)\n");
	expect_refused("a:\n\t- b\n", "2:1 a tab: YAML is indented with spaces\n");
	expect_refused("a: b: c\n", "1:5 a \": \" where none may be: quote a text that contains it (\"Sorry: closed\"), or mend the "
	                            "indentation\n");
	expect_refused("%YAML 7.0\n--- a\n", "1:1 found incompatible YAML document\n");
}

static void test_documents(void **state)
{
	struct yaml_node *root = parse("a: 1\n---\nb: 2\n");

	(void)state;
	assert_string_equal(world.said, "2:1 only one document (no second \"---\") is allowed in the file\n");
	assert_string_equal(yaml_find(root, "a")->text, "1");
}

static void test_foreign_documents(void **state)
{
	struct yaml_node *root = parse_foreign("a: 1\n---\nb: !x 2\n---\n- c\n");

	(void)state;
	assert_string_equal(world.said, "");
	assert_int_equal(root->kind, YAML_SEQUENCE);
	assert_int_equal(root->count, 3);
	assert_string_equal(yaml_find(root->first, "a")->text, "1");
	assert_string_equal(yaml_find(root->first->next, "b")->text, "2");
	assert_int_equal(yaml_find(root->first->next, "b")->line, 3);
	assert_int_equal(parse_foreign("")->count, 0);
}

static void test_foreign_aliases(void **state)
{
	struct yaml_node *root = parse_foreign("a: &x {k: [1, 2]}\nb: *x\nc: &x 3\nd: *x\n"), *b;

	(void)state;
	assert_string_equal(world.said, "");
	b = (struct yaml_node *)yaml_find(root->first, "b");
	assert_int_equal(yaml_find(b, "k")->count, 2);
	assert_int_equal(b->line, 1);
	assert_string_equal(yaml_find(root->first, "d")->text, "3");
	parse_foreign("a: *x\nb: &y [*y]\n---\nc: &z 1\n---\nd: *z\n");
	assert_string_equal(world.said, "1:4 this alias (*name) has no anchor (&name) before it\n"
	                                "2:8 this alias (*name) stands inside of its own anchor\n"
	                                "6:4 this alias (*name) has no anchor (&name) before it\n");
}

/* A few lines that would be a billion values, and a tree that grows deeper with each line. */
static void test_foreign_bounds(void **state)
{
	char text[4000] = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n", *at = text + strlen(text);

	(void)state;
	for (unsigned i = 1; i < 10; i++) {
		at += sprintf(at, "a%u: &a%u [", i, i);
		for (unsigned j = 0; j < 10; j++)
			at += sprintf(at, "*a%u, ", i - 1);
		at += sprintf(at, "]\n");
	}
	assert_null(parse_foreign(text));
	assert_non_null(strstr(world.said, "the file holds too many values"));
	at = text + sprintf(text, "a0: &a0 [x]\n");
	for (unsigned i = 1; i < 40; i++)
		at += sprintf(at, "a%u: &a%u [*a%u]\n", i, i, i - 1);
	assert_null(parse_foreign(text));
	assert_non_null(strstr(world.said, "nested too deeply"));
	at = text;
	for (unsigned i = 0; i <= YAML_ANCHORS_MAX; i++)
		at += sprintf(at, "- &a%u x\n", i);
	assert_null(parse_foreign(text));
	assert_non_null(strstr(world.said, "more than 256 anchors"));
}

static void test_bad_bytes(void **state)
{
	(void)state;
	expect_refused("a: 1\nb: \xff\n", "2:4 not UTF-8: save the file as UTF-8\n");
	expect_refused("a: \xc3\xa4 \xc0\xaf\n", "1:6 not UTF-8: save the file as UTF-8\n");
	expect_refused("a: \xed\xa0\x80\n", "1:4 invalid Unicode character\n");
	expect_refused("a: \x1b[2J\n", "1:4 control characters are not allowed\n");
	assert_null(parse_bytes("a: \0b\n", 6));
	assert_string_equal(world.said, "1:4 control characters are not allowed\n");
	assert_null(parse_bytes("\xff\xfe" "a\0", 4));
	assert_int_equal(world.complaints, 1);
}

static void test_deep(void **state)
{
	char text[20000];

	(void)state;
	memset(text, '[', sizeof(text));
	assert_null(parse_bytes(text, sizeof(text)));
	assert_string_equal(world.said, "1:33 nested too deeply\n");
	memset(text, ']', sizeof(text));
	memset(text, '[', YAML_DEPTH_MAX);
	assert_non_null(parse_bytes(text, 2 * YAML_DEPTH_MAX));
	for (size_t i = 0; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "- ", 2);
	assert_null(parse_bytes(text, sizeof(text)));
	assert_string_equal(world.said, "1:65 nested too deeply\n");
}

static void test_large(void **state)
{
	char *text = malloc(YAML_TEXT_MAX + 1);
	struct yaml_node *root;

	(void)state;
	memset(text, 'a', YAML_TEXT_MAX + 1);
	assert_null(parse_bytes(text, YAML_TEXT_MAX + 1));
	assert_string_equal(world.said, "0:0 the file is larger than 1 MiB\n");
	root = parse_bytes(text, YAML_TEXT_MAX);
	assert_int_equal(root->length, YAML_TEXT_MAX);
	for (size_t i = 0; i < YAML_TEXT_MAX; i += 4)
		memcpy(text + i, "- a\n", 4);
	assert_null(parse_bytes(text, YAML_TEXT_MAX));
	assert_string_equal(world.said, "100000:3 the file holds too many values\n");
	free(text);
}

/* Whatever piece of memory is the one that is missing. */
static void test_memory_short(void **state)
{
	(void)state;
	for (size_t most = 1; most < 12; most++) {
		world.most = most;
		assert_null(parse("a: {b: 1}\nc: [2, 3]\n"));
		assert_non_null(strstr(world.said, "out of memory"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_places, teardown),
		cmocka_unit_test_teardown(test_columns_are_characters, teardown),
		cmocka_unit_test_teardown(test_empty, teardown),
		cmocka_unit_test_teardown(test_refused_and_read_on, teardown),
		cmocka_unit_test_teardown(test_syntax, teardown),
		cmocka_unit_test_teardown(test_documents, teardown),
		cmocka_unit_test_teardown(test_foreign_documents, teardown),
		cmocka_unit_test_teardown(test_foreign_aliases, teardown),
		cmocka_unit_test_teardown(test_foreign_bounds, teardown),
		cmocka_unit_test_teardown(test_bad_bytes, teardown),
		cmocka_unit_test_teardown(test_deep, teardown),
		cmocka_unit_test_teardown(test_large, teardown),
		cmocka_unit_test_teardown(test_memory_short, teardown),
	};

	return cmocka_run_group_tests_name("yaml", tests, NULL, NULL);
}
