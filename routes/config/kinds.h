/* Which function reads which kind of key. */
#ifndef ROUTES_CONFIG_KINDS_H
#define ROUTES_CONFIG_KINDS_H

#include "routes/config/keys.h"
#include "routes/config/reader.h"

extern key_read *const kinds_readers[KINDS];

#endif
