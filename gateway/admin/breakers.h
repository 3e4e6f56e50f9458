/* Breakers: shown, and forced. */
#ifndef GATEWAY_ADMIN_BREAKERS_H
#define GATEWAY_ADMIN_BREAKERS_H

#include "gateway/admin/page.h"

/* breakers.c */
void breakers_page(struct page_request *request);
void breakers_events(struct page_request *request);
/* The figures of one breaker as Resilience4j reports them. */
json_t *breakers_figures(const struct admin_service *service);

#endif
