#include "gateway/control/sandbox.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "gateway/base/landlock.h"
#include "gateway/base/log.h"
#include "gateway/base/sanitizer.h"

/* A sanitizer's runtime makes system calls of its own, and opens files when it reports. */
static const bool IS_SANITIZED = HAS_ADDRESS_SANITIZER || HAS_THREAD_SANITIZER;

/* ---- files ------------------------------------------------------------------------------------------------------ */

/* The folder of `path`, by its name and by its real place: on a change, a symbolic link may be replaced by another. */
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

/* Its path is relative to the folder of gateway.yml. */
static void allow_named(const struct landlock *landlock, const char *config_file, const char *file)
{
	const char *slash = strrchr(config_file, '/');
	int folder_length = file[0] == '/' || slash == NULL ? 0 : (int)(slash + 1 - config_file);
	char path[PATH_MAX];

	snprintf(path, sizeof path, "%.*s%s", folder_length, config_file, file);
	allow_folder_of(landlock, path, landlock_allow_reading);
}

/* Files that the gateway reads after the start: gateway.yml and the files it names; those of resolving and libcurl;
 * those of the metrics. */
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
	for (size_t i = 0; i < config->route_count; i++)
		if (config->routes[i].basic.enabled)
			allow_named(landlock, config->file, config->routes[i].basic.file);
	for (size_t i = 0; i < config->route_count; i++)
		if (config->routes[i].jwt != NULL && config->routes[i].jwt->jwks_url == NULL)
			allow_named(landlock, config->file, config->routes[i].jwt->jwks);
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
	sandbox->landlock_error = landlock.abi == 0 ? ENOSYS : 0;
	if (landlock.abi == 0)
		return;
	allow_files(&landlock, config);
	if (landlock_enforce(&landlock))
		return;
	sandbox->landlock_error = errno;
	sandbox->landlock_abi = 0;
}

/* ---- the steps -------------------------------------------------------------------------------------------------- */

void sandbox_begin(struct sandbox *sandbox, const struct config *config)
{
	if (!config->sandbox)
		return;
	/* A core would hold what clients sent. */
	if (setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		sandbox->core_error = errno;
	if (IS_SANITIZED)
		return;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
		sandbox->privileges_error = errno;
		return; /* the rest takes it */
	}
	limit_files(sandbox, config);
	sandbox->serving = syscall_filter_for_serving();
}

bool sandbox_enter_worker(const struct sandbox *sandbox)
{
	return sandbox->serving.length == 0 || syscall_filter_put_on(&sandbox->serving);
}

/* Installs the control thread's filter; returns an errno if the kernel refuses. libseccomp makes no filter that the kernel
 * can't run. */
static int limit_calls(const struct sandbox *sandbox)
{
	struct syscall_filter filter = { .length = 0 };
	int error = 0;

	if (sandbox->serving.length == 0)
		return ENOSYS;
	filter = syscall_filter_for_control();
	if (filter.length == 0)
		error = ENOSYS;
	else if (!syscall_filter_put_on(&filter))
		error = errno;
	syscall_filter_free(&filter);
	return error;
}

void sandbox_enter_control(struct sandbox *sandbox, const struct config *config)
{
	char calls[100] = "system calls are filtered", files[100], cores[100] = "no core dumps";
	int error;

	if (!config->sandbox || IS_SANITIZED) {
		log_info("sandbox: %s", config->sandbox ? "off, this build has a sanitizer" : "off");
		return;
	}
	if (sandbox->core_error != 0)
		snprintf(cores, sizeof cores, "core dumps are possible (%s)", strerror(sandbox->core_error));
	if (sandbox->privileges_error != 0) {
		log_warn("sandbox: the kernel refuses PR_SET_NO_NEW_PRIVS (%s), so it limits neither system calls nor file access; "
		         "%s", strerror(sandbox->privileges_error), cores);
		return;
	}
	error = limit_calls(sandbox);
	if (error == ENOSYS)
		snprintf(calls, sizeof calls, "system calls are not filtered (this kernel can't)");
	else if (error != 0)
		snprintf(calls, sizeof calls, "system calls are not filtered (%s)", strerror(error));
	if (sandbox->landlock_abi != 0)
		snprintf(files, sizeof files, "file access is restricted (Landlock %d)", sandbox->landlock_abi);
	else if (sandbox->landlock_error == ENOSYS || sandbox->landlock_error == EOPNOTSUPP)
		snprintf(files, sizeof files, "file access is not restricted (this kernel has no Landlock)");
	else
		snprintf(files, sizeof files, "file access is not restricted (the kernel refuses Landlock: %s)",
		         strerror(sandbox->landlock_error));
	log_info("sandbox: %s; %s; no new privileges, %s", calls, files, cores);
}

void sandbox_end(struct sandbox *sandbox)
{
	syscall_filter_free(&sandbox->serving);
}
