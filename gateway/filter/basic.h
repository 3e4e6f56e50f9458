/*
 * auth.basic: a name and a password in each request (RFC 7617).
 *
 * A request without a valid name and password gets 401 and the challenge. The upstream never sees the Authorization field.
 * passwords.h checks passwords, beside the worker's loop.
 */
#ifndef GATEWAY_FILTER_BASIC_H
#define GATEWAY_FILTER_BASIC_H

#include "gateway/filter/filter.h"

extern const struct filter_type filter_basic;

#endif
