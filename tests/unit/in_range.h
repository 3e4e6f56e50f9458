/* cmocka 2 calls it so, and warns of the name before. After <cmocka.h>. */
#ifndef TESTS_UNIT_IN_RANGE_H
#define TESTS_UNIT_IN_RANGE_H

#ifndef assert_uint_in_range
#define assert_uint_in_range assert_in_range
#endif

#endif
