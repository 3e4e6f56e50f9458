#include "routes/jwt.h"

#include <string.h>

static const struct {
	const char *name, *type, *curve;
} algorithms[JWT_ALGORITHM_COUNT] = {
#define JWT_ROW(name, type, curve) [JWT_##name] = { #name, type, curve },
	JWT_ALGORITHMS(JWT_ROW)
#undef JWT_ROW
};

const char *jwt_algorithm_name(unsigned algorithm)
{
	return algorithm < JWT_ALGORITHM_COUNT ? algorithms[algorithm].name : NULL;
}

enum jwt_algorithm jwt_algorithm_find(const char *name)
{
	unsigned i = 0;

	while (i < JWT_ALGORITHM_COUNT && strcmp(algorithms[i].name, name) != 0)
		i++;
	return (enum jwt_algorithm)i;
}

uint32_t jwt_algorithms_of(const char *type, const char *curve)
{
	uint32_t all = 0;

	for (unsigned i = 0; i < JWT_ALGORITHM_COUNT; i++)
		if (strcmp(algorithms[i].type, type) == 0 &&
		    (algorithms[i].curve == NULL ? curve == NULL : curve != NULL && strcmp(algorithms[i].curve, curve) == 0))
			all |= JWT_BIT(i);
	return all;
}

size_t jwt_keep_claim(struct jwt_settings *settings, const char *name)
{
	for (size_t i = 0; i < settings->claim_count; i++)
		if (strcmp(settings->claims[i], name) == 0)
			return i;
	if (settings->claim_count == JWT_CLAIMS_MAX)
		return JWT_CLAIMS_MAX;
	settings->claims[settings->claim_count] = name;
	return settings->claim_count++;
}
