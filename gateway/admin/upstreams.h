/* Upstreams and their endpoints. */
#ifndef GATEWAY_ADMIN_UPSTREAMS_H
#define GATEWAY_ADMIN_UPSTREAMS_H

#include "gateway/admin/page.h"

/* upstreams.c */
void upstreams_page(struct page_request *request);
/* "available", "ejected" or "unhealthy". */
const char *upstreams_endpoint_state(const struct admin_service *service, const struct endpoint *endpoint, uint64_t now_ms);

#endif
