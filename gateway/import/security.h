/* Spring Security's resource server, as far as the files tell: its tokens. */
#ifndef GATEWAY_IMPORT_SECURITY_H
#define GATEWAY_IMPORT_SECURITY_H

#include "gateway/import/draft.h"

/* Before settings_read(): notes in import->unguarded what guards the routes no more. */
void security_import(struct import *import);

#endif
