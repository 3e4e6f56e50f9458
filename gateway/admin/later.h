/* An answer that comes later than the page's function returns: the request is kept, and its connection watched. */
#ifndef GATEWAY_ADMIN_LATER_H
#define GATEWAY_ADMIN_LATER_H

#include "gateway/admin/page.h"

/* Zero-initialised: no request waits. It must stay where it is while one does. */
struct later {
	struct page_request request;
	struct evhttp_connection *connection;
};

static inline bool later_waits(const struct later *later)
{
	return later->request.http != NULL;
}

/* From now on; until it is taken, or its client leaves. */
void later_keep(struct later *later, const struct page_request *request);
/* To be answered now. */
struct page_request later_take(struct later *later);
/* Ends it with its connection. */
void later_end(struct later *later);

#endif
