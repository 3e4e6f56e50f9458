#include "gateway/base/random.h"

#include <sys/random.h>
#include <time.h>

void random_seed(struct random *random)
{
	if (getrandom(random->s, sizeof random->s, GRND_NONBLOCK) == (ssize_t)sizeof random->s)
		return;
	/* Early after boot the kernel may have no random bytes yet. Nothing here is a secret: two seeds only have to
	 * differ. */
	for (int i = 0; i < 4; i++)
		random->s[i] = ((uint64_t)clock() << 32 ^ (uint64_t)time(NULL) ^ (uint64_t)(uintptr_t)random) + (uint64_t)i + 1;
}
