/* Routes. */
#ifndef GATEWAY_ADMIN_ROUTES_H
#define GATEWAY_ADMIN_ROUTES_H

#include "gateway/admin/page.h"

/* routes.c */
void routes_page(struct page_request *request);

#endif
