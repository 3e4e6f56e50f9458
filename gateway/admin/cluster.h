/*
 * All gateways as one: what each tells (peers.h), shown on /cluster, and overrides of breakers (overrides.h) that hold
 * on all of them.
 * The control thread's.
 *
 *   GET /cluster[?seconds=N]     trends of the last N seconds (120); a page that keeps what it got asks for less
 *
 *   {
 *     "wallMs": 1700000000000,
 *     "peers": "tasks.gateway:8081",  absent: cluster.peers is off, this gateway is the only one
 *     "peersError": "...",            the name can't be looked up
 *     "peersLeftOut": 3,              DNS names more than 64
 *     "refreshMs": 1000,
 *     "gateways": [ {                 this one first, the others by address; all that follows is by place in this list
 *       "address": "10.0.1.7:8081",   absent: this one, when DNS does not name it
 *       "isSelf": true,
 *       "instance", "name", "version", "config", "state", "uptimeMs", "second"
 *                                     as in self.h; absent: it has never answered
 *       "ageMs": 120,                 of its last word; absent: this one, or it never answered
 *       "clockMs": -3500,             its clock less this one's, within 300 ms
 *       "error": "no answer: ...",    of the last question, or why it answers in the brief form alone; absent: it answered
 *       "isSilent": true,             it failed twice in a row to answer, or to say more than the brief form has
 *       "isGone": true                DNS names it no more
 *     } ],
 *     "breakers": [ { "name": "patient", "cells": [ {...}, null ] } ],
 *                                     an upstream as in self.h, without name and endpoints; null: that gateway has none of
 *                                     this name, or is silent
 *     "endpoints": [ { "upstream": "patient", "address": "10.0.1.3:2222", "cells": [ 0, {...}, null ] } ],
 *                                     {...}: as in self.h, without address; 0: available, and nothing else to say; null: not
 *                                     known there
 *     "leftOut": 7,                   rows beyond 1,000 breakers and 20,000 endpoints
 *     "overrides": [ { ..., "results": [ "applied", null ] } ],
 *                                     as in self.h, with each gateway's result as it said last
 *     "events": [ { "gateway": 0, ... } ]
 *                                     as in self.h, of all gateways by wallMs less clockMs, the oldest first: the newest
 *                                     200, but each gateway keeps its share of these places
 *   }
 *
 *   GET  /cluster/self              self.h
 *   POST /cluster/breakers/NAME     {"updateState": "FORCE_OPEN", "for": "15m", "reason": "..."}
 *
 *   updateState: CLOSE, FORCE_OPEN, DISABLE or METRICS_ONLY. CLOSE undoes what was set and closes the breaker everywhere; it
 *   takes no `for`. for: 1s to 24h, 15m where it is not said. reason: up to 200 bytes in one line.
 *   It answers when all gateways have said that they have it, or after 2.5 s:
 *
 *   { "breaker": "patient", "state": "FORCE_OPEN", "stamp": "...", "forMs": 900000, "untilWallMs": ..., "complete": true,
 *     "gateways": [ { "address", "name", "isSelf", "result": "applied" } ] }
 *
 *   result: applied, over, no such breaker, breaker is off, only observes, changed here, has not said yet, or why that gateway
 *   does not answer.
 */
#ifndef GATEWAY_ADMIN_CLUSTER_H
#define GATEWAY_ADMIN_CLUSTER_H

#include <stdbool.h>
#include <stddef.h>

#include "gateway/admin/view.h"

struct event_base;
struct override_entry;
struct page_request;
struct history;
struct waiting;

/* NULL: out of memory. `view` and `history` must outlive it. */
struct cluster *cluster_new(struct event_base *base, const struct admin_view *view, const struct history *history);
void cluster_end_waiting(struct cluster *cluster); /* before evhttp goes */
void cluster_free(struct cluster *cluster);        /* after it */

/* Takes cluster.peers of a configuration that is about to be used. */
void cluster_configure(struct cluster *cluster, const struct peers_settings *settings);
/* The addresses that DNS gives for the peers' name. `error`: of the look-up; NULL: it was fine. */
void cluster_take_addresses(struct cluster *cluster, const struct address *addresses, size_t count, const char *error);
/* Has every peer that answers been asked for its overrides? If not, view->on_settled() follows within CLUSTER_SETTLE_MS. */
enum { CLUSTER_SETTLE_MS = 1000 };
bool cluster_is_settled(const struct cluster *cluster);
/* The configuration in use has changed: applies the overrides in force to its new breakers. */
void cluster_apply(struct cluster *cluster);

/* Takes an entry if it is newer, applies it to the breaker, and logs it; `from`: the peer, NULL: an operator. */
void cluster_take_override(struct cluster *cluster, const struct override_entry *entry, const char *from);
/* This request's answer comes later. False: too many wait; answer it now. */
bool cluster_wait(struct cluster *cluster, const struct page_request *request, const struct waiting *waiting);

void cluster_self_page(struct page_request *request);

#endif
