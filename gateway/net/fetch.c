/*
 * libcurl drives its sockets through two callbacks: which socket to watch for what, and when to wake libcurl. The
 * fetcher calls nobody back from within libcurl: after each call into libcurl it collects the requests that have ended.
 * So a callback may start and cancel whatever it likes.
 */
#include "gateway/net/fetch.h"

#include <curl/curl.h>
#include <dlfcn.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/base/buffer.h"
#include "gateway/net/timer.h"

enum { CONNECTIONS_MAX = 256, TEXT_MAX = 512 };

static const long BUFFER_BYTES = 4096;

struct functions {
	CURLcode (*global_init)(long flags);
	CURL *(*init)(void);
	CURLcode (*setopt)(CURL *handle, CURLoption option, ...);
	CURLcode (*perform)(CURL *handle);
	CURLcode (*getinfo)(CURL *handle, CURLINFO info, ...);
	const char *(*strerror)(CURLcode code);
	void (*cleanup)(CURL *handle);
	struct curl_slist *(*slist_append)(struct curl_slist *list, const char *text);
	void (*slist_free)(struct curl_slist *list);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_setopt)(CURLM *multi, CURLMoption option, ...);
	CURLMcode (*multi_assign)(CURLM *multi, curl_socket_t fd, void *pointer);
	CURLMcode (*multi_add)(CURLM *multi, CURL *handle);
	CURLMcode (*multi_remove)(CURLM *multi, CURL *handle);
	CURLMcode (*multi_action)(CURLM *multi, curl_socket_t fd, int what, int *running);
	CURLMsg *(*multi_read)(CURLM *multi, int *left);
	CURLMcode (*multi_cleanup)(CURLM *multi);
};

struct fetcher {
	struct event_base *base;
	CURLM *multi;
	struct event timer;
};

struct watch { /* one of curl's sockets */
	struct fetcher *fetcher;
	struct event event;
};

struct taken { /* of an answer */
	size_t bytes; /* for bytes that are thrown away: fields, and an unwanted body */
	size_t body_most;   /* 0: the caller does not want the body */
	struct buffer body;
	bool is_short; /* of memory */
};

struct fetch {
	struct fetcher *fetcher;
	CURL *handle;
	struct curl_slist *fields, *connect_to; /* NULL: none */
	struct taken taken;
	fetch_on_end *on_end;
	void *context;
};

/* ---- the library --------------------------------------------------------------------------------------------- */

/* POSIX lets dlsym()'s pointer be a function's; ISO C does not let it be cast. */
#define LOAD(library, name, member) (*(void **)&(member) = dlsym((library), (name)), (member) != NULL)

static bool load_all(void *library, struct functions *curl)
{
	return LOAD(library, "curl_global_init", curl->global_init) && LOAD(library, "curl_easy_init", curl->init) &&
	       LOAD(library, "curl_easy_setopt", curl->setopt) && LOAD(library, "curl_easy_perform", curl->perform) &&
	       LOAD(library, "curl_easy_getinfo", curl->getinfo) && LOAD(library, "curl_easy_strerror", curl->strerror) &&
	       LOAD(library, "curl_easy_cleanup", curl->cleanup) && LOAD(library, "curl_slist_append", curl->slist_append) &&
	       LOAD(library, "curl_slist_free_all", curl->slist_free) && LOAD(library, "curl_multi_init", curl->multi_init) &&
	       LOAD(library, "curl_multi_setopt", curl->multi_setopt) &&
	       LOAD(library, "curl_multi_assign", curl->multi_assign) &&
	       LOAD(library, "curl_multi_add_handle", curl->multi_add) &&
	       LOAD(library, "curl_multi_remove_handle", curl->multi_remove) &&
	       LOAD(library, "curl_multi_socket_action", curl->multi_action) &&
	       LOAD(library, "curl_multi_info_read", curl->multi_read) &&
	       LOAD(library, "curl_multi_cleanup", curl->multi_cleanup);
}

/* Loads libcurl for good, as it can't be unloaded without a trace. NULL: `error` says why. */
static const struct functions *library(char *error, size_t size)
{
	static struct functions curl;
	static bool is_loaded;
	void *opened;

	if (is_loaded)
		return &curl;
	setenv("GNUTLS_NO_IMPLICIT_INIT", "1", 0); /* librtmp would load and prepare GnuTLS: 120 KiB for nothing */
	opened = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	if (opened == NULL || !load_all(opened, &curl) || curl.global_init(CURL_GLOBAL_NOTHING) != CURLE_OK) {
		snprintf(error, size, "libcurl can't be loaded: %s", opened == NULL ? dlerror() : "it is another one");
		return NULL;
	}
	is_loaded = true;
	return &curl;
}

/* ---- one GET ------------------------------------------------------------------------------------------------- */

/* For fields, and for an unwanted body. */
static size_t on_bytes(char *bytes, size_t size, size_t count, void *context)
{
	struct taken *taken = context;

	(void)bytes;
	taken->bytes += size * count;
	return taken->bytes > FETCH_BYTES_MAX ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
	struct taken *taken = context;
	size_t length = size * count;

	if (taken->body_most == 0)
		return on_bytes(bytes, size, count, context);
	if (length > taken->body_most - buffer_length(&taken->body))
		taken->bytes = FETCH_BYTES_MAX + 1;
	else if (buffer_append(&taken->body, bytes, length))
		return length;
	else
		taken->is_short = true;
	return 0;
}

static void set_options(const struct functions *curl, CURL *handle, const char *url, uint32_t timeout_ms,
                        struct taken *taken)
{
	curl->setopt(handle, CURLOPT_URL, url);
	curl->setopt(handle, CURLOPT_PROTOCOLS_STR, "http");
	curl->setopt(handle, CURLOPT_PROXY, "");
	curl->setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl->setopt(handle, CURLOPT_BUFFERSIZE, BUFFER_BYTES); /* each has one, and many may be under way */
	curl->setopt(handle, CURLOPT_HTTP09_ALLOWED, 0L);
	curl->setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
	curl->setopt(handle, CURLOPT_PATH_AS_IS, 1L);
	curl->setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl->setopt(handle, CURLOPT_USERAGENT, "gateway/" GATEWAY_VERSION);
	curl->setopt(handle, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
	curl->setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)timeout_ms);
	curl->setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
	curl->setopt(handle, CURLOPT_WRITEDATA, taken);
	curl->setopt(handle, CURLOPT_HEADERFUNCTION, on_bytes);
	curl->setopt(handle, CURLOPT_HEADERDATA, taken);
}

static struct fetch_result result_of(const struct functions *curl, CURL *handle, CURLcode code,
                                     const struct taken *taken)
{
	long status = 0;

	if (taken->bytes > FETCH_BYTES_MAX)
		return (struct fetch_result){ .error = taken->body_most == 0 ? "the answer is larger than 64 KiB"
			                                                     : "the answer is larger than allowed" };
	if (taken->is_short)
		return (struct fetch_result){ .error = "out of memory" };
	if (code != CURLE_OK)
		return (struct fetch_result){ .error = curl->strerror(code) };
	curl->getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
	return (struct fetch_result){ .status = (unsigned)status, .body = taken->body.data, .length = taken->body.to };
}

unsigned fetch_once(const char *url, unsigned timeout_ms, char *error, size_t size)
{
	const struct functions *curl = library(error, size);
	CURL *handle = curl == NULL ? NULL : curl->init();
	struct fetch_result result;
	struct taken taken = { .body_most = 0 };

	if (handle == NULL) {
		if (curl != NULL)
			snprintf(error, size, "out of memory");
		return 0;
	}
	set_options(curl, handle, url, timeout_ms, &taken);
	result = result_of(curl, handle, curl->perform(handle), &taken);
	if (result.error != NULL)
		snprintf(error, size, "%s", result.error);
	curl->cleanup(handle);
	return result.status;
}

/* ---- on the loop --------------------------------------------------------------------------------------------- */

static void end(struct fetch *fetch)
{
	const struct functions *curl = library(NULL, 0);

	curl->multi_remove(fetch->fetcher->multi, fetch->handle);
	curl->cleanup(fetch->handle);
	curl->slist_free(fetch->fields);
	curl->slist_free(fetch->connect_to);
	buffer_free(&fetch->taken.body);
	free(fetch);
}

static void collect(struct fetcher *fetcher)
{
	const struct functions *curl = library(NULL, 0);
	CURLMsg *message;
	int left;

	while ((message = curl->multi_read(fetcher->multi, &left)) != NULL) {
		struct fetch *fetch = NULL;
		struct fetch_result result;
		fetch_on_end *on_end;
		struct buffer body;
		void *context;

		curl->getinfo(message->easy_handle, CURLINFO_PRIVATE, &fetch);
		result = result_of(curl, fetch->handle, message->data.result, &fetch->taken);
		on_end = fetch->on_end;
		context = fetch->context;
		body = fetch->taken.body;
		fetch->taken.body = (struct buffer){ .data = NULL };
		end(fetch);
		on_end(context, &result);
		buffer_free(&body);
	}
}

static void act(struct fetcher *fetcher, curl_socket_t fd, int what)
{
	int running;

	library(NULL, 0)->multi_action(fetcher->multi, fd, what, &running);
	collect(fetcher);
}

static void on_socket(evutil_socket_t fd, short what, void *context)
{
	struct watch *watch = context;

	act(watch->fetcher, fd, (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what;
	act(context, CURL_SOCKET_TIMEOUT, 0);
}

/* Without memory the socket is not watched: its request ends by its timeout. */
static int watch_socket(CURL *handle, curl_socket_t fd, int what, void *context, void *known)
{
	struct fetcher *fetcher = context;
	struct watch *watch = known;

	(void)handle;
	if (watch != NULL)
		event_del(&watch->event);
	if (what == CURL_POLL_REMOVE) {
		free(watch);
		return 0;
	}
	if (watch == NULL) {
		watch = calloc(1, sizeof *watch);
		if (watch == NULL)
			return 0;
		watch->fetcher = fetcher;
		library(NULL, 0)->multi_assign(fetcher->multi, fd, watch);
	}
	event_assign(&watch->event, fetcher->base, fd,
	             (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST), on_socket,
	             watch);
	event_add(&watch->event, NULL);
	return 0;
}

static int set_timer(CURLM *multi, long wait_ms, void *context)
{
	struct fetcher *fetcher = context;

	(void)multi;
	if (wait_ms < 0)
		event_del(&fetcher->timer);
	else
		timer_set(&fetcher->timer, (uint64_t)wait_ms);
	return 0;
}

/* False: out of memory. */
static bool set_order(const struct functions *curl, struct fetch *fetch, const struct fetch_order *order)
{
	char field[TEXT_MAX];

	set_options(curl, fetch->handle, order->url, order->timeout_ms, &fetch->taken);
	curl->setopt(fetch->handle, CURLOPT_PRIVATE, fetch);
	if (order->may_use_tls)
		curl->setopt(fetch->handle, CURLOPT_PROTOCOLS_STR, "http,https");
	if (order->host != NULL) {
		snprintf(field, sizeof field, "Host: %s", order->host);
		fetch->fields = curl->slist_append(NULL, field);
		curl->setopt(fetch->handle, CURLOPT_HTTPHEADER, fetch->fields);
	}
	if (order->connect_to != NULL) {
		fetch->connect_to = curl->slist_append(NULL, order->connect_to);
		curl->setopt(fetch->handle, CURLOPT_CONNECT_TO, fetch->connect_to);
	}
	return (fetch->fields != NULL || order->host == NULL) && (fetch->connect_to != NULL || order->connect_to == NULL);
}

struct fetch *fetch_start(struct fetcher *fetcher, const struct fetch_order *order, fetch_on_end *on_end, void *context)
{
	const struct functions *curl = library(NULL, 0);
	struct fetch *fetch = calloc(1, sizeof *fetch);

	if (fetch == NULL)
		return NULL;
	*fetch = (struct fetch){ .fetcher = fetcher, .on_end = on_end, .context = context, .taken.body_most = order->body_most };
	fetch->handle = curl->init();
	if (fetch->handle != NULL && set_order(curl, fetch, order) && curl->multi_add(fetcher->multi, fetch->handle) == CURLM_OK)
		return fetch;
	if (fetch->handle != NULL)
		curl->cleanup(fetch->handle);
	curl->slist_free(fetch->fields);
	curl->slist_free(fetch->connect_to);
	free(fetch);
	return NULL;
}

void fetch_cancel(struct fetch *fetch)
{
	end(fetch);
}

/* ---- birth and death ----------------------------------------------------------------------------------------- */

struct fetcher *fetcher_new(struct event_base *base, char *error, size_t size)
{
	const struct functions *curl = library(error, size);
	struct fetcher *fetcher = curl == NULL ? NULL : calloc(1, sizeof *fetcher);

	if (fetcher != NULL)
		fetcher->multi = curl->multi_init();
	if (fetcher == NULL || fetcher->multi == NULL) {
		if (curl != NULL)
			snprintf(error, size, "out of memory");
		free(fetcher);
		return NULL;
	}
	fetcher->base = base;
	evtimer_assign(&fetcher->timer, base, on_timer, fetcher);
	curl->multi_setopt(fetcher->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
	curl->multi_setopt(fetcher->multi, CURLMOPT_SOCKETDATA, fetcher);
	curl->multi_setopt(fetcher->multi, CURLMOPT_TIMERFUNCTION, set_timer);
	curl->multi_setopt(fetcher->multi, CURLMOPT_TIMERDATA, fetcher);
	curl->multi_setopt(fetcher->multi, CURLMOPT_MAXCONNECTS, (long)CONNECTIONS_MAX);
	return fetcher;
}

void fetcher_free(struct fetcher *fetcher)
{
	library(NULL, 0)->multi_cleanup(fetcher->multi);
	event_del(&fetcher->timer);
	free(fetcher);
}
