/* The link from this gateway to the others. For the control thread. */
#ifndef GATEWAY_CONTROL_NEIGHBOURS_H
#define GATEWAY_CONTROL_NEIGHBOURS_H

#include "gateway/control/state.h"

void neighbours_name_itself(struct control *control);
struct admin_gateway neighbours_describe(const struct control *control);
/* Asks the peers that `config` names. */
void neighbours_configure(struct control *control, const struct config *config);
/* The addresses that DNS gives for them; for discovery. */
void neighbours_on_peers(void *context, const struct address *addresses, size_t count, const char *error);
void neighbours_on_store(void *context, const char *host, const struct address *addresses, size_t count);
/* Has every peer been asked for its overrides? If not, view.on_settled follows. */
bool neighbours_are_heard(const struct control *control);
/* control->config has changed: computes its digest, and applies the overrides. */
void neighbours_note_config(struct control *control);
/* For the timeline, and since when it has none. */
void neighbours_note_endpoints(struct control *control, struct upstream *upstream, const struct endpoint_set *set);

#endif
