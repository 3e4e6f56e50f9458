#include "deploy/autoscaler/docker.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OLDEST_MINOR = 41, MINOR_DIGITS = 3, VERSIONS_TRIED = 3 };

struct answer {
	char *bytes;
	size_t length;
	long status;
	unsigned minor; /* the engine's own version is 1.MINOR; 0: it names none */
	bool is_too_long;
};

bool docker_init(struct docker *docker, const char *url)
{
	static const char unix_scheme[] = "unix://", tcp[] = "tcp://", http[] = "http://";
	int written = 0;

	*docker = (struct docker){ .minor = OLDEST_MINOR };
	if (strncmp(url, unix_scheme, strlen(unix_scheme)) == 0 && url[strlen(unix_scheme)] == '/') {
		if (strlen(url) - strlen(unix_scheme) >= sizeof docker->socket)
			return false;
		strcpy(docker->socket, url + strlen(unix_scheme));
		written = snprintf(docker->base, sizeof docker->base, "http://docker");
	} else if (strncmp(url, tcp, strlen(tcp)) == 0) {
		written = snprintf(docker->base, sizeof docker->base, "http://%s", url + strlen(tcp));
	} else if (strncmp(url, http, strlen(http)) == 0) {
		size_t length = strlen(url);

		while (length > 0 && url[length - 1] == '/')
			length--;
		written = snprintf(docker->base, sizeof docker->base, "%.*s", (int)length, url);
	}
	if (written <= 0 || (size_t)written >= sizeof docker->base || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return false;
	docker->curl = curl_easy_init();
	return docker->curl != NULL;
}

void docker_finish(struct docker *docker)
{
	curl_easy_cleanup(docker->curl);
	docker->curl = NULL;
}

static size_t on_bytes(char *bytes, size_t one, size_t length, void *context)
{
	struct answer *answer = context;
	char *grown;

	(void)one;
	if (length > DOCKER_ANSWER_MAX - answer->length) {
		answer->is_too_long = true;
		return 0;
	}
	grown = realloc(answer->bytes, answer->length + length + 1);
	if (grown == NULL)
		return 0;
	memcpy(grown + answer->length, bytes, length);
	answer->bytes = grown;
	answer->length += length;
	grown[answer->length] = '\0';
	return length;
}

/* 0: it is no field Api-Version with a version like 1.47. */
static unsigned read_version(const char *line, size_t length)
{
	static const char name[] = "Api-Version:";
	const char *at = line + sizeof name - 1, *end = line + length, *first;
	unsigned minor = 0;

	if (length < sizeof name - 1 || strncasecmp(line, name, sizeof name - 1) != 0)
		return 0;
	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	if (end - at < 2 || memcmp(at, "1.", 2) != 0)
		return 0;
	for (first = at += 2; at < end && at - first < MINOR_DIGITS && *at >= '0' && *at <= '9'; at++)
		minor = minor * 10 + (unsigned)(*at - '0');
	while (at < end && strchr(" \t\r\n", *at) != NULL && *at != '\0')
		at++;
	return at == end ? minor : 0;
}

static size_t on_field(char *line, size_t one, size_t length, void *context)
{
	struct answer *answer = context;
	unsigned minor = read_version(line, length);

	(void)one;
	if (minor != 0)
		answer->minor = minor;
	return length;
}

/* `body` NULL: GET. Answers of any status are DOCKER_FINE here. `docker->minor` becomes what the engine names. */
static enum docker_result ask(struct docker *docker, const char *path, const char *body, struct answer *answer)
{
	struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
	char url[1024], reason[CURL_ERROR_SIZE] = "";
	long sent_bytes = 0;
	CURLcode code;

	*answer = (struct answer){ .bytes = NULL };
	snprintf(url, sizeof url, "%s/v1.%u%s", docker->base, docker->minor, path);
	curl_easy_reset(docker->curl);
	curl_easy_setopt(docker->curl, CURLOPT_URL, url);
#if LIBCURL_VERSION_NUM >= 0x075500
	curl_easy_setopt(docker->curl, CURLOPT_PROTOCOLS_STR, "http");
#else
	curl_easy_setopt(docker->curl, CURLOPT_PROTOCOLS, (long)CURLPROTO_HTTP);
#endif
	curl_easy_setopt(docker->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(docker->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(docker->curl, CURLOPT_TIMEOUT_MS, (long)DOCKER_TIMEOUT_MS);
	curl_easy_setopt(docker->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(docker->curl, CURLOPT_ERRORBUFFER, reason);
	curl_easy_setopt(docker->curl, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(docker->curl, CURLOPT_WRITEDATA, answer);
	curl_easy_setopt(docker->curl, CURLOPT_HEADERFUNCTION, on_field);
	curl_easy_setopt(docker->curl, CURLOPT_HEADERDATA, answer);
	if (docker->socket[0] != '\0')
		curl_easy_setopt(docker->curl, CURLOPT_UNIX_SOCKET_PATH, docker->socket);
	if (body != NULL) {
		curl_easy_setopt(docker->curl, CURLOPT_POSTFIELDS, body);
		/* On a connection that was used before, libcurl would send a change again if the engine closed without an answer. */
		curl_easy_setopt(docker->curl, CURLOPT_FRESH_CONNECT, 1L);
	}
	code = curl_easy_perform(docker->curl);
	curl_easy_getinfo(docker->curl, CURLINFO_RESPONSE_CODE, &answer->status);
	curl_slist_free_all(headers);
	if (code == CURLE_OK) {
		if (answer->minor != 0)
			docker->minor = answer->minor > OLDEST_MINOR ? answer->minor : OLDEST_MINOR;
		return DOCKER_FINE;
	}
	snprintf(docker->error, sizeof docker->error, "%s", answer->is_too_long ? "the engine's answer is larger than 32 MiB"
	                                                    : reason[0] != '\0' ? reason : curl_easy_strerror(code));
	free(answer->bytes);
	curl_easy_getinfo(docker->curl, CURLINFO_REQUEST_SIZE, &sent_bytes);
	return body != NULL && sent_bytes > 0 ? DOCKER_UNSURE : DOCKER_FAILED;
}

/* The engine's errors are {"message": "..."}. */
static enum docker_result fail(struct docker *docker, const struct answer *answer)
{
	json_t *message = answer->bytes == NULL ? NULL : json_loads(answer->bytes, JSON_ALLOW_NUL, NULL);
	const char *text = json_string_value(json_object_get(message, "message"));
	enum docker_result result = DOCKER_FAILED;

	if (text != NULL && answer->status == 500 && strstr(text, "update out of sequence") != NULL)
		result = DOCKER_CONFLICT;
	else if (answer->status == 404 || (text != NULL && strstr(text, "is ambiguous") != NULL))
		result = DOCKER_NOT_FOUND; /* ambiguous: no service has this name, but several have an id that begins with it */
	snprintf(docker->error, sizeof docker->error, "the engine answered %ld: %.180s", answer->status, text == NULL ? "" : text);
	json_decref(message);
	return result;
}

/* In the engine's own version: a Spec must be written in the version in which it was read. The first answer, or the first of an
 * engine that was exchanged, is in another one and does not count. */
static enum docker_result ask_in_its_version(struct docker *docker, const char *path, struct answer *answer)
{
	for (int i = 0; i < VERSIONS_TRIED; i++) {
		unsigned minor = docker->minor;
		enum docker_result result = ask(docker, path, NULL, answer);

		if (result != DOCKER_FINE || docker->minor == minor)
			return result;
		free(answer->bytes);
	}
	snprintf(docker->error, sizeof docker->error, "the engine names another API version in each answer");
	return DOCKER_FAILED;
}

static enum docker_result get(struct docker *docker, const char *path, json_t **value)
{
	struct answer answer;
	enum docker_result result = ask_in_its_version(docker, path, &answer);

	*value = NULL;
	if (result != DOCKER_FINE)
		return result;
	if (answer.status != 200) {
		result = fail(docker, &answer);
	} else if (answer.bytes == NULL || (*value = json_loadb(answer.bytes, answer.length, JSON_ALLOW_NUL, NULL)) == NULL) {
		snprintf(docker->error, sizeof docker->error, "the engine's answer is no JSON");
		result = DOCKER_FAILED;
	}
	free(answer.bytes);
	return result;
}

enum docker_result docker_list(struct docker *docker, json_t **list)
{
	enum docker_result result = get(docker, "/services", list);

	if (result == DOCKER_FINE && !json_is_array(*list)) {
		json_decref(*list);
		snprintf(docker->error, sizeof docker->error, "the engine's list of services is no list");
		return DOCKER_FAILED;
	}
	return result;
}

static bool is_of_a_stack(const struct service *service, const char *name)
{
	const char *stack = json_string_value(json_object_get(json_object_get(service->spec, "Labels"), "com.docker.stack.namespace"));
	size_t length = stack == NULL ? 0 : strlen(stack);

	return stack != NULL && strncmp(service->name, stack, length) == 0 && service->name[length] == '_' &&
	       strcmp(service->name + length + 1, name) == 0;
}

/* Without the stack's name in front. Two stacks may each have a service of this name: then nobody knows which is meant. */
static enum docker_result find_in_stacks(struct docker *docker, const char *name, struct service *service)
{
	struct service found = { .spec = NULL };
	enum docker_result result;
	unsigned count = 0;
	json_t *list;

	result = docker_list(docker, &list);
	if (result != DOCKER_FINE)
		return result;
	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!service_read(json_array_get(list, i), service))
			continue;
		if (is_of_a_stack(service, name) && ++count == 1)
			found = *service;
		else
			service_finish(service);
	}
	json_decref(list);
	*service = found;
	if (count == 1)
		return DOCKER_FINE;
	snprintf(docker->error, sizeof docker->error, count == 0 ? "there is no service of this name"
	                                                         : "several stacks have a service of this name: write STACK_NAME");
	service_finish(service);
	return DOCKER_NOT_FOUND;
}

enum docker_result docker_find(struct docker *docker, const char *name, struct service *service)
{
	char path[SERVICE_NAME_MAX + 32];
	enum docker_result result;
	json_t *answer;

	snprintf(path, sizeof path, "/services/%s", name); /* alerts_is_service_name(): nothing in it needs an escape */
	result = get(docker, path, &answer);
	if (result == DOCKER_NOT_FOUND)
		return find_in_stacks(docker, name, service);
	if (result != DOCKER_FINE)
		return result;
	if (!service_read(answer, service)) {
		snprintf(docker->error, sizeof docker->error, "the engine's answer describes no service");
		result = DOCKER_FAILED;
	} else if (strcmp(service->name, name) != 0) { /* the engine also takes an id, or the beginning of one */
		service_finish(service);
		result = find_in_stacks(docker, name, service);
	}
	json_decref(answer);
	return result;
}

enum docker_result docker_scale(struct docker *docker, struct service *service, uint64_t replicas)
{
	char path[SERVICE_ID_MAX + 64], *spec = service_spec_with(service, replicas);
	enum docker_result result;
	struct answer answer;

	if (spec == NULL) {
		snprintf(docker->error, sizeof docker->error, "out of memory");
		return DOCKER_FAILED;
	}
	snprintf(path, sizeof path, "/services/%s/update?version=%llu", service->id, (unsigned long long)service->version);
	result = ask(docker, path, spec, &answer);
	free(spec);
	if (result != DOCKER_FINE)
		return result;
	if (answer.status != 200)
		result = fail(docker, &answer);
	free(answer.bytes);
	return result;
}
