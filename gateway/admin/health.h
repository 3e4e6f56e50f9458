/* Is the gateway well? */
#ifndef GATEWAY_ADMIN_HEALTH_H
#define GATEWAY_ADMIN_HEALTH_H

#include "gateway/admin/page.h"

/* health.c */
void health_livez(struct page_request *request);
void health_readyz(struct page_request *request);
void health_actuator(struct page_request *request);

#endif
