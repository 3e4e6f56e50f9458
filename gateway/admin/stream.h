/* Events while they happen. */
#ifndef GATEWAY_ADMIN_STREAM_H
#define GATEWAY_ADMIN_STREAM_H

#include "gateway/admin/page.h"

struct history;

/* NULL: out of memory. `history` must outlive it, and gets its turns from now on. */
struct streams *streams_new(struct event_base *base, struct history *history);
void streams_free(struct streams *streams); /* ends all of them */
void stream_page(struct page_request *request);
void stream_turbine_page(struct page_request *request);

#endif
