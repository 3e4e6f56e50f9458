/*
 * This gateway's answer to its peers and the page: GET /cluster/self.
 *
 *   /cluster/self?brief     the first part alone: what peers ask for while nobody watches
 *   /cluster/self           all of it; ?hystrix: and "hystrix", an array with this gateway's messages of the Hystrix stream
 *
 *   {
 *     "format": 1,                        another number: another language, nothing else is read
 *     "instance": "gateway-0123...",      this process, by chance; so a gateway knows itself among its peers
 *     "name": "gateway.node1",            the host's name
 *     "version": "0.1.0",
 *     "config": "0123456789abcdef",       digest of the effective configuration, but for where it listens
 *     "state": "serving",                 starting, serving, draining
 *     "uptimeMs": 1000, "wallMs": 1700000000000,
 *     "overrides": [ { "breaker": "patient", "state": "FORCE_OPEN",        CLOSE, FORCE_OPEN, DISABLE, METRICS_ONLY
 *                      "leftMs": 899000,                                   absent: it is over, or undone
 *                      "untilWallMs": 1700000900000,                       by the clock of the gateway where it was set
 *                      "reason": "...", "by": "10.0.1.7", "at": "gateway.node2", "origin": "gateway-...",
 *                      "stamp": "018bcfe568000000",
 *                      "result": "applied" } ],   applied, over, no such breaker, breaker is off, only observes
 *                                                                          (forced open in mode observe: it rejects nothing),
 *                                                                          changed here (an operator set another state on this
 *                                                                          gateway alone)
 *
 *     "second": 77,                       number of the newest sample below
 *     "upstreams": [ {
 *       "name": "patient",
 *       "state": "open",                  closed, open, half_open, forced_open, disabled, metrics_only, off
 *       "sinceMs": 1200,                  in this state; of its start where it has not changed
 *       "refusesMs": 61200,               has refused requests for so long, trials included
 *       "nextProbeMs": 3800,              open: until then
 *       "observe": true,                  it never rejects
 *       "calls": 40, "failures": 21, "slowCalls": 0,        in the window; half-open: of the probes; open: those it opened for
 *       "minimumCalls": 20, "failureRate": 52.5, "slowRate": 0.0,       in percent; absent below minimumCalls
 *       "failureThreshold": 50.0, "slowThreshold": 80.0, "slowCallMs": 250, "windowMs": 10000 or "windowCalls": 100,
 *       "notPermitted": 900,              since the last change of state
 *       "inFlight": 3, "maxInFlight": 1024, "waiting": 0, "maxWaiting": 256, "streams": 0,
 *       "retriesLeft": 12,                of the budget, now
 *       "requests": "10 12 9",            each second, the newest last, at most 120; older ones that are missing are 0
 *       "failed": "5",                    of them: the upstream failed
 *       "refused": "3 9",                 of them: breaker, bulkhead or no endpoint; the upstream was not asked
 *       "recentMs": 10000, "clientRequests": 100, "clientFallbacks": 40, "clientErrors": 0,      what clients saw ...
 *       "upstreamTries": 65, "upstreamFailures": 25,                        ... and what the upstream answered
 *       "discoveryError": "...",          of the last lookup; absent: it was fine
 *       "emptyMs": 61200,                 has had no endpoint for so long; absent: it has some
 *       "endpoints": [ { "address": "10.0.1.3:2222", "state": "ejected",    available, ejected, unhealthy, quarantined
 *                        "inFlight": 1, "ejections": 2, "ejectedForMs": 9000, "lastError": "could not connect",
 *                        "sinceMs": 61200 } ]   unhealthy for so long; ejected, again and again, for so long
 *     } ],
 *     "events": [ { "number": 12, "wallMs": 1700000000000, "kind": "transition", "upstream": "patient", "text": "..." }
 *     ]
 *   }                                     kind: transition, ejection, dns, reload, override, peer; the oldest first
 *
 * A number that is 0, a truth that is false, a text that is empty, and an endpoint's "state" that is "available" are left
 * out, so that a calm gateway is a short one. All times besides wallMs are spans, so that clocks may differ.
 */
#ifndef GATEWAY_ADMIN_SELF_H
#define GATEWAY_ADMIN_SELF_H

#include <jansson.h>

#include "gateway/admin/view.h"
#include "gateway/admin/overrides.h"

struct history;

enum { SELF_FORMAT = 1 };

/* NULL: out of memory. `history` has the trends. */
json_t *self_describe(const struct admin_view *view, const struct history *history, const struct overrides *overrides,
                      bool is_brief);

/* Without its result. */
json_t *self_describe_override(const struct override_entry *entry, uint64_t now_ms);
/* The state of an override here: "applied", ... */
const char *self_override_result(const struct admin_view *view, const struct override_entry *entry, uint64_t now_ms);

#endif
