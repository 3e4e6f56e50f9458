#include "gateway/exchange/outcome.h"

#include <stddef.h>

const struct outcome_row outcome_table[OUTCOME_COUNT] = {
#define OUTCOME_ROW(name_, ...) [OUTCOME_##name_] = { __VA_ARGS__ },
	OUTCOMES(OUTCOME_ROW)
#undef OUTCOME_ROW
};
