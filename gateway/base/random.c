#include "gateway/base/random.h"

#include <sys/random.h>
#include <time.h>

void random_seed(struct random *random)
{
	if (getrandom(random->s, sizeof random->s, GRND_NONBLOCK) == (ssize_t)sizeof random->s)
		return;
	/* So early after boot that the kernel has none: nothing here is a secret, only two seeds should differ. */
	for (int i = 0; i < 4; i++)
		random->s[i] = ((uint64_t)clock() << 32 ^ (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)random) + (uint64_t)i + 1;
}
