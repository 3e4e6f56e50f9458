/* Names of fields that some readers confuse. */
#ifndef GATEWAY_HTTP_LOOKALIKES_H
#define GATEWAY_HTTP_LOOKALIKES_H

#include "gateway/base/slice.h"
#include "gateway/http/field_id.h"

/* As field_identify(), for a name that is made of more than letters, digits and '-'. */
enum field_id field_identify_odd(struct slice name);
/* Do both have the same letters and digits? */
bool field_names_look_alike(struct slice a, struct slice b);

#endif
