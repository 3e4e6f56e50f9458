/* The control thread as the admin listener sees it. */
#ifndef GATEWAY_CONTROL_VIEW_H
#define GATEWAY_CONTROL_VIEW_H

#include "gateway/control/state.h"

/* Valid as long as `control`. */
struct admin_view view_of(struct control *control);

#endif
