/*
 * From a file to the configuration that is used: read, find or make its upstreams, wait until their names are known, hand it to
 * the workers. Until that last step nothing has changed but how names are asked for, and a file that is no good changes nothing.
 */
#include "gateway/control_state.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gateway/base/log.h"
#include "gateway/base/notify.h"

/* Before the memory of a configuration goes; any thread. */
static void on_config_free(struct config *config)
{
	for (size_t i = 0; i < config->upstream_count; i++)
		if (config->upstreams[i].upstream != NULL)
			upstream_release(config->upstreams[i].upstream);
}

static bool give_counters(struct control *control, struct config *config)
{
	for (size_t i = 0; i < config->route_count; i++) {
		config->routes[i].counters = control_counters(control, &config->routes[i]);
		if (config->routes[i].counters == NULL)
			return false;
	}
	return true;
}

bool control_prepare(struct control *control, struct config *config)
{
	char error[200] = "memory is short";

	config->on_free = on_config_free;
	control->prepared = config;
	if (give_counters(control, config) && discovery_prepare(control->discovery, config, error, sizeof error))
		return true;
	log_error("%s: %s", config->file, error);
	control->prepared = NULL;
	config_release(config);
	return false;
}

bool control_note_beginning(struct control *control, const struct config *config)
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

/* With every reload, as long as the file says something else than what is done. */
static void warn_of_restart(const struct beginning *beginning, const struct config *config)
{
	if (!is_same_listen(beginning, config))
		log_warn("listen has changed: that takes a restart");
	if (!address_equal(&beginning->admin, &config->admin))
		log_warn("admin.listen has changed: that takes a restart");
	if (beginning->workers != config->workers)
		log_warn("workers has changed: that takes a restart");
	if (beginning->sandbox != config->sandbox)
		log_warn("sandbox has changed: that takes a restart");
	if (beginning->connections != config->limits.connections)
		log_warn("limits.connections has changed: that takes a restart");
	if (beginning->memory_bytes != config->limits.memory_bytes)
		log_warn("limits.memory has changed: that takes a restart");
}

/* A file that is there and that its owner may read can still be out of the sandbox's reach. */
static void explain_sandbox(const struct complaints *complaints, const struct beginning *beginning)
{
	for (size_t i = 0; beginning->sandbox && i < complaints->count; i++) {
		if (strstr(complaints->list[i].text, strerror(EACCES)) != NULL) {
			log_warn("reload: a file in a folder that was not named at the start takes a restart (sandbox: on)");
			return;
		}
	}
}

/* Through the log, which waits for nobody: who reads stderr may have stopped. */
static void log_complaint(void *context, bool is_warning, const char *line)
{
	(void)context;
	log_write(is_warning ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "%s", line);
}

/* A pipe gives its text once, and whoever opens or reads it may wait for ever. */
static bool can_be_read_again(const char *file)
{
	struct stat about;

	return stat(file, &about) != 0 || S_ISREG(about.st_mode); /* one that is not there is complained of by its reader */
}

void control_reload(struct control *control)
{
	struct complaints complaints;
	struct config *config;

	if (control->prepared != NULL) {
		control->must_reload_again = true;
		return;
	}
	if (!can_be_read_again(control->config->file)) {
		control->reload_failures++;
		log_error("reload: %s is not a regular file and can't be read again, the old configuration stays", control->config->file);
		return;
	}
	config = config_read(control->config->file, &complaints);
	complaints_tell(&complaints, control->config->file, log_complaint, NULL);
	explain_sandbox(&complaints, &control->beginning);
	complaints_free(&complaints);
	if (config == NULL || !control_prepare(control, config)) {
		control->reload_failures++;
		log_error("reload: %s is not taken, the old configuration stays", control->config->file);
	}
}

static void give_config(struct control *control, struct config *config)
{
	for (unsigned i = 0; i < control->worker_count; i++) {
		config_reference(config);
		if (!inbox_send(&control->workers[i].inbox, WORKER_CONFIG, NULL, config)) {
			log_error("memory is short: worker %u keeps the old configuration", i);
			config_release(config);
		}
	}
}

void control_take_prepared(struct control *control)
{
	struct config *old = control->config;

	warn_of_restart(&control->beginning, control->prepared);
	control->config = control->prepared;
	control->prepared = NULL;
	discovery_commit(control->discovery);
	give_config(control, control->config);
	if (control->has_old_log || !access_log_is_same(old, control->config))
		control_send_logs(control);
	config_release(old);
	log_set_level((enum log_level)control->config->log_level);
	control->reloads++;
	control->config_wall_ms = clock_wall_ms();
	log_info("reload: %s is taken, %zu routes, %zu upstreams", control->config->file, control->config->route_count,
	         control->config->upstream_count);
	notify_ready();
	if (control->must_reload_again) {
		control->must_reload_again = false;
		control_reload(control);
	}
}
