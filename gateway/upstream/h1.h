/* Upstreams that speak HTTP/1.1: a lease is a connection of a pool. */
#ifndef GATEWAY_UPSTREAM_H1_H
#define GATEWAY_UPSTREAM_H1_H

#include "gateway/upstream/lease.h"

extern const struct upstream_protocol upstream_h1;

#endif
