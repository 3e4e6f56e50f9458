/* From a member to the struct that it is embedded in. */
#ifndef GATEWAY_BASE_CONTAINER_H
#define GATEWAY_BASE_CONTAINER_H

#include <stddef.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer) - offsetof(type, member)))

#endif
