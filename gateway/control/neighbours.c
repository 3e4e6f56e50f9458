/* The link from this gateway to the others: how it names itself, what it tells about itself, and when it has heard of their
 * overrides. */
#include "gateway/control/neighbours.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/admin/cluster.h"
#include "gateway/base/log.h"
#include "gateway/base/memory_file.h"
#include "gateway/filter/store.h"
#include "routes/config/print.h"

/* FNV-1a of the effective configuration as it is printed, except the addresses on which this gateway listens. "": out of
 * memory. */
static void find_digest(const struct config *config, char digest[CONTROL_DIGEST])
{
	struct config elsewhere = *config;
	struct memory_file memory;
	size_t length;
	char *text;
	uint64_t hash = 0xcbf29ce484222325;

	elsewhere.listen_count = 0;
	elsewhere.admin.family = 0;
	memory_file_open(&memory);
	if (memory.file != NULL)
		config_print(&elsewhere, memory.file);
	text = memory_file_close(&memory, &length);
	for (size_t i = 0; text != NULL && i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3;
	digest[0] = '\0';
	if (text != NULL)
		snprintf(digest, CONTROL_DIGEST, "%016" PRIx64, hash);
	free(text);
}

void neighbours_name_itself(struct control *control)
{
	memcpy(control->instance, control->shared.name, WORKER_NAME_LENGTH);
	if (gethostname(control->name, sizeof control->name - 1) != 0)
		control->name[0] = '\0';
	for (char *at = control->name; *at != '\0'; at++)
		if (*at <= ' ' || *at > '~')
			*at = '?';
}

struct admin_gateway neighbours_describe(const struct control *control)
{
	return (struct admin_gateway){
		.instance = control->instance,
		.name = control->name,
		.config = control->config_digest,
		.state = control->state == CONTROL_STARTING  ? "starting"
		         : control->state == CONTROL_SERVING ? "serving"
		                                             : "draining",
		.uptime_ms = clock_now_ms() - control->started_ms,
	};
}

void neighbours_configure(struct control *control, const struct config *config)
{
	/* Nobody looks an address up, so neighbours_on_peers() does not come; a name may have stood here before. */
	if (config->peers.written == NULL || config->peers.address.family != 0)
		stores_set_gateways(1);
	if (control->admin != NULL)
		cluster_configure(admin_cluster(control->admin), &config->peers);
}

bool neighbours_are_heard(const struct control *control)
{
	return control->admin == NULL || cluster_is_settled(admin_cluster(control->admin));
}

void neighbours_note_config(struct control *control)
{
	find_digest(control->config, control->config_digest);
	if (control->admin != NULL)
		cluster_apply(admin_cluster(control->admin));
}

void neighbours_on_peers(void *context, const struct address *addresses, size_t count, const char *error)
{
	const struct control *control = context;

	if (error == NULL)
		stores_set_gateways(count);
	if (control->admin != NULL)
		cluster_take_addresses(admin_cluster(control->admin), addresses, count, error);
}

void neighbours_on_store(void *context, const char *host, const struct address *addresses, size_t count)
{
	(void)context;
	stores_take_addresses(host, addresses, count);
}

void neighbours_note_endpoints(struct control *control, struct upstream *upstream, const struct endpoint_set *set)
{
	char list[TIMELINE_TEXT];
	size_t used = 0;

	if (set->count > 0)
		upstream->empty_ms = 0;
	else if (upstream->empty_ms == 0)
		upstream->empty_ms = clock_now_ms();
	list[0] = '\0';
	for (size_t i = 0; i < set->count && used + ADDRESS_TEXT_MAX + 8 < sizeof list - 32; i++)
		used += (size_t)snprintf(list + used, sizeof list - used, " %s", set->endpoints[i]->text);
	timeline_add(&control->timeline, TIMELINE_DNS, upstream->name, "%zu endpoint%s%s%s", set->count, set->count == 1 ? "" : "s",
	             set->count == 0 ? "" : ":", list);
}
