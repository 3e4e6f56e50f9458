#include "gateway/net/fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>

struct functions {
	CURL *(*init)(void);
	CURLcode (*setopt)(CURL *handle, CURLoption option, ...);
	CURLcode (*perform)(CURL *handle);
	CURLcode (*getinfo)(CURL *handle, CURLINFO info, ...);
	const char *(*strerror)(CURLcode code);
	void (*cleanup)(CURL *handle);
};

/* POSIX lets dlsym()'s pointer be a function's; ISO C does not let it be cast. */
#define LOAD(library, name, member) (*(void **)&(member) = dlsym((library), (name)), (member) != NULL)

static bool load(void *library, struct functions *curl)
{
	return LOAD(library, "curl_easy_init", curl->init) && LOAD(library, "curl_easy_setopt", curl->setopt) &&
	       LOAD(library, "curl_easy_perform", curl->perform) && LOAD(library, "curl_easy_getinfo", curl->getinfo) &&
	       LOAD(library, "curl_easy_strerror", curl->strerror) && LOAD(library, "curl_easy_cleanup", curl->cleanup);
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
	(void)bytes, (void)context;
	return size * count; /* only the status is wanted */
}

static unsigned fetch(const struct functions *curl, const char *url, unsigned timeout_ms, char *error, size_t size)
{
	CURL *handle = curl->init();
	CURLcode code;
	long status = 0;

	if (handle == NULL) {
		snprintf(error, size, "memory is short");
		return 0;
	}
	curl->setopt(handle, CURLOPT_URL, url);
	curl->setopt(handle, CURLOPT_PROTOCOLS_STR, "http");
	curl->setopt(handle, CURLOPT_PROXY, "");
	curl->setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl->setopt(handle, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl->setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
	code = curl->perform(handle);
	if (code == CURLE_OK)
		curl->getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
	else
		snprintf(error, size, "%s", curl->strerror(code));
	curl->cleanup(handle);
	return (unsigned)status;
}

unsigned fetch_once(const char *url, unsigned timeout_ms, char *error, size_t size)
{
	void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	struct functions curl;
	unsigned status = 0;

	if (library == NULL || !load(library, &curl)) {
		snprintf(error, size, "libcurl can't be loaded: %s", dlerror());
		if (library != NULL)
			dlclose(library);
		return 0;
	}
	status = fetch(&curl, url, timeout_ms, error, size);
	dlclose(library);
	return status;
}
