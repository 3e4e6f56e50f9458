#include "gateway/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "gateway/base/landlock.h"
#include "gateway/base/log.h"

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { IS_SANITIZED = true }; /* their runtime makes calls of its own, and files when it reports */
#else
enum { IS_SANITIZED = false };
#endif

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* The folder that `path` is in, as named and where it really is: a link may be exchanged for another on each change. */
static void allow_folder_of(const struct landlock *landlock, const char *path,
                            void (*allow)(const struct landlock *landlock, const char *path))
{
	char folder[PATH_MAX], *slash;
	char *real = realpath(path, NULL);

	snprintf(folder, sizeof folder, "%s", path);
	slash = strrchr(folder, '/');
	if (slash != NULL)
		slash[slash == folder] = '\0';
	allow(landlock, slash == NULL ? "." : folder);
	if (real != NULL && strlen(real) < sizeof folder) {
		strcpy(folder, real);
		slash = strrchr(folder, '/');
		slash[slash == folder] = '\0';
		allow(landlock, folder);
	}
	free(real);
}

/* Its path is seen from the folder of gateway.yml. */
static void allow_named(const struct landlock *landlock, const char *config_file, const char *file)
{
	const char *slash = strrchr(config_file, '/');
	int folder_length = file[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - config_file);
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%.*s%s", folder_length, config_file, file);
	allow_folder_of(landlock, path, landlock_allow_reading);
}

/* What is read after the start: gateway.yml and what it names; what resolving and libcurl read; what the metrics read. */
static void allow_files(const struct landlock *landlock, const struct config *config)
{
	static const char *const system[] = { "/etc", "/lib", "/lib64", "/usr/lib", "/usr/share/zoneinfo", "/proc", "/sys/fs/cgroup",
		                              "/run/systemd/resolve", "/dev/null", "/dev/urandom" };

	for (size_t i = 0; i < sizeof system / sizeof system[0]; i++)
		landlock_allow_reading(landlock, system[i]);
	allow_folder_of(landlock, config->file, landlock_allow_reading);
	for (size_t i = 0; i < config->route_count; i++)
		if (config->routes[i].fallback.file != NULL)
			allow_named(landlock, config->file, config->routes[i].fallback.file);
	if (config->admin_token_file != NULL)
		allow_named(landlock, config->file, config->admin_token_file);
	if (config->access_log == ACCESS_LOG_FILE)
		allow_folder_of(landlock, config->access_log_path, landlock_allow_writing);
	landlock_allow_writing(landlock, "/proc/self/fd/1");
	landlock_allow_writing(landlock, "/dev/null");
}

static void limit_files(struct sandbox *sandbox, const struct config *config)
{
	struct landlock landlock = landlock_begin();

	sandbox->landlock_abi = landlock.abi;
	if (landlock.abi == 0)
		return;
	allow_files(&landlock, config);
	if (!landlock_enforce(&landlock))
		sandbox->landlock_abi = 0;
}

/* ---- the steps -------------------------------------------------------------------------------------------------- */

void sandbox_begin(struct sandbox *sandbox, const struct config *config)
{
	if (!config->sandbox)
		return;
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* a core would hold what clients sent */
	if (IS_SANITIZED || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return;
	limit_files(sandbox, config);
	sandbox->serving = filter_for_serving();
}

bool sandbox_enter_worker(const struct sandbox *sandbox)
{
	return sandbox->serving.length == 0 || filter_put_on(&sandbox->serving);
}

void sandbox_enter_control(struct sandbox *sandbox, const struct config *config)
{
	struct filter filter = { .length = 0 };
	char files[80] = "this kernel has no Landlock, files are not limited";
	const char *calls = "system calls are filtered";

	if (!config->sandbox || IS_SANITIZED) {
		log_info("sandbox: %s", config->sandbox ? "off, this build has a sanitizer" : "off");
		return;
	}
	if (sandbox->serving.length != 0)
		filter = filter_for_control();
	if (filter.length == 0 || !filter_put_on(&filter))
		calls = "this kernel filters no system calls";
	filter_free(&filter);
	if (sandbox->landlock_abi != 0)
		snprintf(files, sizeof files, "files are limited (Landlock %d)", sandbox->landlock_abi);
	log_info("sandbox: %s; %s; no new privileges, no core dumps", calls, files);
}

void sandbox_end(struct sandbox *sandbox)
{
	filter_free(&sandbox->serving);
}
