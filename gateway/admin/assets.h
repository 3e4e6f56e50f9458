/* The live page and its files. */
#ifndef GATEWAY_ADMIN_ASSETS_H
#define GATEWAY_ADMIN_ASSETS_H

#include "gateway/admin/page.h"

void assets_page(struct page_request *request); /* the page itself */
void assets_file(struct page_request *request);

#endif
