#include "deploy/hospital/fail.h"

#include <stdio.h>
#include <stdlib.h>

void fail(const char *what, const char *why)
{
	fprintf(stderr, "service: %s: %s\n", what, why);
	exit(1);
}
