/* Metrics as Spring shows them. */
#ifndef GATEWAY_ADMIN_METERS_H
#define GATEWAY_ADMIN_METERS_H

#include "gateway/admin/page.h"

/* meters.c */
void meters_page(struct page_request *request);

#endif
