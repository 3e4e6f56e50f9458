/*
 * From a file to the configuration in use: read it, find or make its upstreams, wait until their names are known, hand it to
 * the workers. Until that last step nothing has changed but the settings of look-ups, so a file with an error changes
 * nothing.
 */
#include "gateway/control/reload.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gateway/base/log.h"
#include "gateway/base/notify.h"
#include "gateway/control/jwks.h"
#include "gateway/control/log_files.h"
#include "gateway/control/neighbours.h"
#include "gateway/filter/filters.h"
#include "gateway/filter/passwords.h"
#include "routes/config/complaints.h"

/* Before the memory of a configuration goes; any thread. */
static void on_config_free(struct config *config)
{
	filters_free(config);
	jwks_release(config);
	for (size_t i = 0; i < config->upstream_count; i++)
		if (config->upstreams[i].upstream != NULL)
			upstream_release(config->upstreams[i].upstream);
}

static bool give_counters(struct control *control, struct config *config)
{
	for (size_t i = 0; i < config->route_count; i++) {
		struct route *route = &config->routes[i];

		route->counters = control_counters(control, route, false);
		if (route->counters == NULL)
			return false;
		if (route->detour == NULL)
			continue;
		route->detoured = control_counters(control, route, true);
		route->detour->counters = control_counters(control, route->detour, false);
		if (route->detoured == NULL || route->detour->counters == NULL)
			return false;
	}
	return true;
}

bool reload_prepare(struct control *control, struct config *config)
{
	char error[200] = "out of memory";
	bool is_made;

	config->on_free = on_config_free;
	control->prepared = config;
	control->names_are_known = false;
	is_made = give_counters(control, config) && filters_make(config);
	if (is_made && jwks_prepare(control, config, error, sizeof error)) {
		neighbours_configure(control, config);
		if (discovery_prepare(control->discovery, config, error, sizeof error))
			return true;
	}
	log_error("%s: %s", config->file, error);
	control->prepared = NULL;
	config_release(config);
	if (control->config != NULL) {
		jwks_commit(control);
		neighbours_configure(control, control->config);
	}
	return false;
}

bool reload_start_threads(struct control *control, const struct config *config)
{
	for (size_t i = 0; i < config->route_count; i++) {
		if (!config->routes[i].basic.enabled || passwords_start(&control->shared.sandbox))
			continue;
		log_error("auth.basic: no thread to check passwords: %s", strerror(errno));
		return false;
	}
	return true;
}

bool reload_note_beginning(struct control *control, const struct config *config)
{
	struct address *listen = malloc(config->listen_count * sizeof *listen);

	if (listen == NULL)
		return false;
	memcpy(listen, config->listen, config->listen_count * sizeof *listen);
	control->beginning = (struct beginning){
		.listen = listen,
		.listen_count = config->listen_count,
		.admin = config->admin,
		.workers = config->workers,
		.sandbox = config->sandbox,
		.connections = config->limits.connections,
		.memory_bytes = config->limits.memory_bytes,
	};
	return true;
}

static bool is_same_listen(const struct beginning *beginning, const struct config *config)
{
	if (beginning->listen_count != config->listen_count)
		return false;
	for (size_t i = 0; i < config->listen_count; i++)
		if (!address_equal(&beginning->listen[i], &config->listen[i]))
			return false;
	return true;
}

/* With every reload, as long as the file differs from the settings that the process started with. */
static void warn_of_restart(const struct beginning *beginning, const struct config *config)
{
	if (!is_same_listen(beginning, config))
		log_warn("listen has changed: this needs a restart");
	if (!address_equal(&beginning->admin, &config->admin))
		log_warn("admin.listen has changed: this needs a restart");
	if (beginning->workers != config->workers)
		log_warn("workers has changed: this needs a restart");
	if (beginning->sandbox != config->sandbox)
		log_warn("sandbox has changed: this needs a restart");
	if (beginning->connections != config->limits.connections)
		log_warn("limits.connections has changed: this needs a restart");
	if (beginning->memory_bytes != config->limits.memory_bytes)
		log_warn("limits.memory has changed: this needs a restart");
}

/* A file may exist and be readable for its owner, but out of the sandbox's reach. */
static void explain_sandbox(const struct complaints *complaints, const struct beginning *beginning)
{
	for (size_t i = 0; beginning->sandbox && i < complaints->count; i++) {
		if (strstr(complaints->list[i].text, strerror(EACCES)) != NULL) {
			log_warn("reload: with the sandbox on, files in new directories need a restart");
			return;
		}
	}
}

/* Through the log, which never waits: the reader of stderr may have stopped. */
static void log_complaint(void *context, bool is_warning, const char *line)
{
	(void)context;
	log_write(is_warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "%s", line);
}

/* A pipe gives its text once, and opening or reading it may block for ever. */
static bool can_be_read_again(const char *file)
{
	struct stat about;

	return stat(file, &about) != 0 || S_ISREG(about.st_mode); /* its reader complains of a missing file */
}

/* True: the file will be in use as soon as it is prepared. */
static bool read_again(struct control *control)
{
	struct complaints complaints;
	struct config *config;

	if (!can_be_read_again(control->config->file)) {
		log_error("reload: %s is not a regular file: the gateway can't read it again and keeps the old configuration",
		          control->config->file);
		return false;
	}
	config = config_read(control->config->file, &complaints);
	complaints_tell(&complaints, control->config->file, log_complaint, NULL);
	explain_sandbox(&complaints, &control->beginning);
	complaints_free(&complaints);
	if (config != NULL && reload_prepare(control, config))
		return true;
	log_error("reload: can't use %s: the gateway keeps the old configuration", control->config->file);
	timeline_add(&control->timeline, TIMELINE_RELOAD, NULL, "can't use %s: the gateway keeps the old configuration",
	             control->config->file);
	return false;
}

void reload_begin(struct control *control)
{
	if (control->prepared != NULL) {
		control->must_reload_again = true;
		return;
	}
	notify_reloading();
	if (!read_again(control)) {
		control->reload_failures++;
		notify_ready();
	}
}

static void give_config(struct control *control, struct config *config)
{
	for (unsigned i = 0; i < control->worker_count; i++) {
		config_reference(config);
		if (!inbox_send(&control->workers[i].inbox, WORKER_CONFIG, NULL, config)) {
			log_error("out of memory: worker %u keeps the old configuration", i);
			config_release(config);
		}
	}
}

void reload_take_prepared(struct control *control)
{
	struct config *old = control->config;

	warn_of_restart(&control->beginning, control->prepared);
	control->config = control->prepared;
	control->prepared = NULL;
	discovery_commit(control->discovery);
	reload_start_threads(control, control->config); /* without the thread their requests get 503 */
	give_config(control, control->config);
	if (control->has_old_log || !access_log_is_same(old, control->config))
		log_files_send(control);
	config_release(old);
	event_log_keep(&control->events, control->config);
	log_set_level((enum log_level)control->config->log_level);
	control->reloads++;
	control->config_wall_ms = clock_wall_ms();
	neighbours_note_config(control);
	jwks_commit(control);
	timeline_add(&control->timeline, TIMELINE_RELOAD, NULL, "%s is in use now, %zu routes, %zu upstreams", control->config->file,
	             control->config->route_count, control->config->upstream_count);
	log_info("reload: %s is in use now, %zu routes, %zu upstreams", control->config->file,
	         control->config->route_count,
	         control->config->upstream_count);
	notify_ready();
	if (control->must_reload_again) {
		control->must_reload_again = false;
		reload_begin(control);
	}
}

void reload_forget(struct control *control)
{
	if (control->config != NULL)
		config_release(control->config);
	if (control->prepared != NULL)
		config_release(control->prepared);
}
