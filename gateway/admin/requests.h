/*
 * /requests: why was this refused? The last requests that their upstream did not answer, that were refused, or that were
 * slow, each with its timeline. They are the workers' (base/kept.h): each is asked for a copy by message, and the answer
 * comes when all have sent theirs, or after REQUESTS_WAIT_MS.
 *
 *   GET /requests[?id=REQUEST_ID][&upstream=NAME][&kind=refused]
 *
 *   {
 *     "slowMs": 1000,          slow: so long to the head of the response, or breaker.slow_call where that is shorter
 *     "workersMissing": 1,     they have not answered in time; absent: none
 *     "requests": [ {          the newest first
 *       "wallMs": 1700000000000, "kind": "refused", "requestId": "...", "method": "GET", "path": "/patient/7",
 *       "upstream": "patient",
 *       "status": 503, "outcome": "breaker_open", "reason": "the breaker is open", "breaker": "open",
 *       "endpoint": "10.0.1.3:2222", "attempts": 2, "worker": 0,
 *       "waitedUs": 0,         for a place in the bulkhead
 *       "attemptUs": 120, "connectedUs": 300, "sentUs": 350, "firstByteUs": 900, "wholeUs": 1000
 *     } ]                      since the first byte of the request; of the last attempt; absent: it did not come to that
 *   }
 *
 *   kind: refused, failed, client, slow. The last 64 of each kind and worker; of a storm the first 32, then one in 10
 *   ms. Bytes outside printable ASCII are shown
 *   as %XX; paths are cut
 *   after 200 bytes.
 */
#ifndef GATEWAY_ADMIN_REQUESTS_H
#define GATEWAY_ADMIN_REQUESTS_H

#include "gateway/admin/page.h"
#include "gateway/base/kept.h"

struct requests;

enum { REQUESTS_WAIT_MS = 500 };

/* NULL: out of memory. */
struct requests *requests_new(struct event_base *base, const struct admin_view *view);
void requests_end_waiting(struct requests *requests); /* before evhttp goes */
void requests_free(struct requests *requests);
void requests_page(struct page_request *request);
/* A worker has answered. Takes the list. */
void requests_take(struct requests *requests, struct kept_list *list);

/* Those that are like what was asked for, where NULL stands for any; the newest first. NULL: out of memory. */
json_t *requests_choose(struct kept_list *const *lists, size_t list_count, const char *id, const char *upstream, const char *kind);

#endif
