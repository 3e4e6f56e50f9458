/*
 * The admin listener: health, metrics, breakers, routes, endpoints, for people and their tools. This is the room of evhttp.
 *
 * It lives on the control thread's loop and sees the gateway through the functions of `struct admin_view`, all called on that
 * thread. It shows snapshots, and changes only breakers: one gateway's (POST /actuator/circuitbreakers/NAME), or those of all
 * gateways (POST /cluster/breakers/NAME).
 */
#ifndef GATEWAY_ADMIN_ADMIN_H
#define GATEWAY_ADMIN_ADMIN_H

#include "gateway/admin/view.h"

struct event_base;
struct admin;
struct cluster;
struct kept_list;

/* `view` must outlive it. NULL: it can't listen; `error` says why. */
struct admin *admin_new(struct event_base *base, const struct address *address, const struct admin_view *view, char *error,
                        size_t size);
void admin_free(struct admin *admin);
/* The state of the other gateways; it lives as long. */
struct cluster *admin_cluster(struct admin *admin);
/* The answer to view->ask_requests(). Takes the list. */
void admin_take_requests(struct admin *admin, struct kept_list *list);

#endif
