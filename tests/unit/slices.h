/* What a slice holds. */
#ifndef TESTS_UNIT_SLICES_H
#define TESTS_UNIT_SLICES_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/base/slice.h"

static inline void assert_slice(struct slice slice, const char *text)
{
	assert_int_equal(slice.length, strlen(text));
	assert_memory_equal(slice.data, text, slice.length);
}

#endif
