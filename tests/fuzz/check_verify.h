/* Is there José to verify signatures with? Wherever the C library is glibc there must be. */
#ifndef TESTS_FUZZ_CHECK_VERIFY_H
#define TESTS_FUZZ_CHECK_VERIFY_H

#include "gateway/jose/signature.h"
#include "tests/fuzz/check.h"

static inline bool check_can_verify(void)
{
	char error[200];
	bool is_loaded = signature_load(error, sizeof error);

#ifdef __GLIBC__
	CHECK(is_loaded);
#endif
	return is_loaded;
}

#endif
