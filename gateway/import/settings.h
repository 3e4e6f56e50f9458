/* The settings besides the routes: server, management, logging, httpclient. */
#ifndef GATEWAY_IMPORT_SETTINGS_H
#define GATEWAY_IMPORT_SETTINGS_H

#include "gateway/import/draft.h"

void settings_read(struct import *import);

#endif
