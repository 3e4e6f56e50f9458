/*
 * Whatever the bytes, as a file of users: each user that is taken has a name and a hash without anything that could be taken for
 * something else, stands where a search finds it, and the complaints count the lines as an editor does. As credentials: those that
 * are taken are what a client would have encoded, and their text is the only one for them. The input is a block of its own, so
 * that AddressSanitizer sees a byte too many.
 */
#include <string.h>
#include <strings.h>

#include "routes/htpasswd.h"
#include "tests/fuzz/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct htpasswd_parsing {
	void *memory;
	size_t lines;
};

static void *allocate_users(void *context, size_t size)
{
	return ((struct htpasswd_parsing *)context)->memory = malloc(size);
}

static void complain_of_user(void *context, size_t line, const char *name, const char *why)
{
	CHECK(line >= 1 && line <= ((struct htpasswd_parsing *)context)->lines && name != NULL && strlen(why) > 0);
}

static bool has_control(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return true;
	return false;
}

static void check_users(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);
	struct htpasswd_parsing parsing = { .lines = 1 };
	struct htpasswd users;

	CHECK(text != NULL);
	memcpy(text, data, size);
	text[size] = '\0';
	for (size_t i = 0; i < size; i++)
		parsing.lines += data[i] == '\n';
	CHECK(htpasswd_parse(&users, text, size, allocate_users, complain_of_user, &parsing));
	CHECK(users.count <= parsing.lines);
	for (size_t i = 0; i < users.count; i++) {
		const struct htpasswd_user *user = &users.users[i];

		CHECK(user->name[0] != '\0' && strlen(user->name) <= HTPASSWD_NAME_MAX && !has_control(user->name));
		CHECK(user->hash[0] == '$' && strlen(user->hash) <= HTPASSWD_HASH_MAX && strpbrk(user->hash, ": \t\r\n*") == NULL);
		CHECK(strcmp(htpasswd_find(&users, user->name)->name, user->name) == 0);
	}
	free(parsing.memory);
	free(text);
}

/* Base64 without padding. */
static size_t encode_base64(const char *from, size_t length, char *to)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	size_t used = 0;

	for (size_t i = 0; i < length; i += 3) {
		uint32_t bits = 0;
		size_t count = length - i < 3 ? length - i : 3;

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (j < count ? (unsigned char)from[i + j] : 0);
		for (size_t j = 0; j <= count; j++)
			to[used++] = digits[bits >> (18 - 6 * j) & 63];
	}
	return used;
}

static void check_credentials(const uint8_t *data, size_t size)
{
	static char text[HTPASSWD_NAME_MAX + HTPASSWD_PASSWORD_MAX + 2], encoded[sizeof(text) * 2];
	struct basic_credentials credentials;
	char *value = malloc(size > 0 ? size : 1);
	size_t begin = 6, end = size, length;

	CHECK(value != NULL);
	memcpy(value, data, size);
	if (basic_credentials_parse(&credentials, value, size)) {
		CHECK(strncasecmp(value, "Basic ", 6) == 0);
		CHECK(credentials.name[0] != '\0' && strchr(credentials.name, ':') == NULL);
		CHECK(!has_control(credentials.name) && !has_control(credentials.password));
		stpcpy(stpcpy(stpcpy(text, credentials.name), ":"), credentials.password);
		length = encode_base64(text, strlen(text), encoded);
		while (begin < end && value[begin] == ' ')
			begin++;
		while (end > begin && value[end - 1] == '=')
			end--;
		CHECK(end - begin == length && memcmp(value + begin, encoded, length) == 0);
	}
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check_users(data, size);
	check_credentials(data, size);
	return 0;
}
