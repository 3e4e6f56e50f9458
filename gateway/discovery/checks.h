/*
 * Active health checks: each endpoint of an upstream with `health_check` is asked over HTTP every interval, and one that fails too
 * often in a row gets no new requests until it is well again; when all fail, all serve. What is known of an endpoint's health
 * lives with the endpoint, over DNS refreshes and reloads.
 *
 * A new endpoint is checked for the first time at a random moment of its first interval, and every interval is shortened by up
 * to a tenth: neither the checks of one gateway nor those of the gateways of all nodes come together.
 *
 * All functions are for the control thread.
 */
#ifndef GATEWAY_DISCOVERY_CHECKS_H
#define GATEWAY_DISCOVERY_CHECKS_H

#include "routes/upstream.h"

struct service;
struct check;

/* The endpoints or the settings of the service have changed. */
void checks_follow(struct service *service);
/* Ends all of them and forgets what they found; tells nobody. */
void checks_stop(struct service *service);

/* service.c: an endpoint is to be treated differently. */
void service_health_changed(struct service *service);

#endif
