/* What the fuzz targets share: an assertion that also stands in a build without assertions, and input in pieces. */
#ifndef TESTS_FUZZ_CHECK_H
#define TESTS_FUZZ_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/slice.h"
#include "gateway/http/fields.h"
#include "gateway/http/trailers.h"
#include "tests/unit/page.h"

/* abort() is what libFuzzer keeps the input of, and what ends the replay in `make test`. */
#define CHECK(condition) \
	((condition) ? (void)0 : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition), abort()))

enum { CHECK_CUTS_MAX = 200 };

/* Every length of a short input, about CHECK_CUTS_MAX of a long one; the last is the whole. */
static inline size_t check_next_cut(size_t cut, size_t size)
{
	size_t step = size / CHECK_CUTS_MAX + 1;

	return cut == size ? size + 1 : size - cut < step ? size : cut + step;
}

/* Nothing that could end a line or a string where this text is written again. */
static inline void check_printable(struct slice slice)
{
	for (size_t i = 0; i < slice.length; i++)
		CHECK(slice.data[i] != '\r' && slice.data[i] != '\n' && slice.data[i] != '\0');
}

static inline void check_fields(const struct fields *fields, const char *bytes, size_t length)
{
	uint32_t ids = 0;

	for (const struct field *field = fields->list; field < fields->list + fields->count; field++) {
		const char *value_end = field->value.data + field->value.length;

		CHECK(field->name.length > 0 && field->name.data >= bytes);
		CHECK(value_end <= bytes + length);
		CHECK(field->id == field_identify(field->name));
		ids |= FIELD_BIT(field->id);
		CHECK(!field_is_plain(field) || (value_end + 2 <= bytes + length && memcmp(value_end, "\r\n", 2) == 0 &&
		                           field->value.data == field->name.data + field->name.length + 2 &&
		                           memcmp(field->value.data - 2, ": ", 2) == 0));
		check_printable(field->name);
		check_printable(field->value);
		CHECK(memchr(field->name.data, ' ', field->name.length) == NULL);
		CHECK(memchr(field->name.data, ':', field->name.length) == NULL);
		(void)field_may_be_trailer(field);
	}
	CHECK(fields->ids == ids);
}

#endif
