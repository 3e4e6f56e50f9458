/* One configuration that was read, what was said of it, and that printing and reading agree. For the tests of gateway.yml. */
#ifndef TESTS_UNIT_CONFIG_WORLD_H
#define TESTS_UNIT_CONFIG_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "routes/config/complaints.h"
#include "routes/config/config.h"
#include "routes/config/print.h"

#define UPSTREAMS "upstreams: { patient: { url: \"http://tasks.patient:2222\" } }\n"
#define ROUTES "routes: [ { path: /patient, upstream: patient } ]\n"
/* Room for one key of an upstream, of a route, in the flow style of one line. */
#define WITH_UPSTREAM(keys) "upstreams: { patient: { url: \"http://tasks.patient:2222\", " keys " } }\n" ROUTES
#define WITH_ROUTE(keys) UPSTREAMS "routes: [ { path: /patient, upstream: patient, " keys " } ]\n"

static struct {
	struct config *config;
	struct complaints complaints;
	char *said; /* the complaints as they are printed, for "f" */
} world;

static inline int teardown(void **state)
{
	(void)state;
	config_release(world.config);
	complaints_free(&world.complaints);
	free(world.said);
	memset(&world, 0, sizeof(world));
	return 0;
}

static inline char *print(const struct config *config)
{
	char *text = NULL;
	size_t length = 0;
	FILE *to = open_memstream(&text, &length);

	config_print(config, to);
	fclose(to);
	return text;
}

static inline void keep_said(void)
{
	size_t length;
	FILE *to = open_memstream(&world.said, &length);

	complaints_print(&world.complaints, "f", to);
	fclose(to);
}

static inline void parse_bytes(const char *text, size_t length)
{
	teardown(NULL);
	world.config = config_parse("tests/unit/data/f", text, length, &world.complaints);
	keep_said();
	assert_true((world.config == NULL) == (world.complaints.errors > 0));
}

static inline void parse(const char *text)
{
	parse_bytes(text, strlen(text));
}

static inline void expect_round_trip(void)
{
	struct complaints complaints;
	char *first = print(world.config), *second;
	struct config *again = config_parse("tests/unit/data/f", first, strlen(first), &complaints);

	assert_non_null(again);
	second = print(again);
	assert_string_equal(first, second);
	config_release(again);
	complaints_free(&complaints);
	free(first);
	free(second);
}

/* Read without a word. */
static inline const struct config *good(const char *text)
{
	parse(text);
	assert_string_equal(world.said, "");
	assert_non_null(world.config);
	expect_round_trip();
	return world.config;
}

static inline const struct upstream_settings *good_upstream(const char *text)
{
	return &good(text)->upstreams[0];
}

static inline const struct route *good_route(const char *text)
{
	return &good(text)->routes[0];
}

/* Refused with exactly these words. */
static inline void bad(const char *text, const char *said)
{
	parse(text);
	assert_string_equal(world.said, said);
	assert_null(world.config);
}

#endif
