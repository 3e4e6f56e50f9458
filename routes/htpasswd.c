#include "routes/htpasswd.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- hashes ------------------------------------------------------------------------------------------------------ */

static const char CRYPT_BYTES[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/* Expensive enough to keep a processor busy for seconds with each try. */
enum { BCRYPT_COST_MAX = 16, ROUNDS_MAX = 5000000, YESCRYPT_COST_MAX = 13 };

static bool is_crypt_text(const char *text, size_t length)
{
	return strlen(text) == length && strspn(text, CRYPT_BYTES) == length;
}

static const char *check_bcrypt(const char *rest)
{
	unsigned cost;

	if (rest[0] < '0' || rest[0] > '9' || rest[1] < '0' || rest[1] > '9' || rest[2] != '$' || !is_crypt_text(rest + 3, 53))
		return "is cut or damaged";
	cost = (unsigned)(rest[0] - '0') * 10 + (unsigned)(rest[1] - '0');
	if (cost < 4 || cost > BCRYPT_COST_MAX)
		return "has a cost that is not between 4 and 16";
	return NULL;
}

/* The characters of a hash: crypt(3) writes nothing that could harm a line of /etc/passwd. */
static bool is_salt(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~' || strchr("!*:;\\", text[i]) != NULL)
			return false;
	return length > 0 && length <= 16;
}

/* [rounds=N$]salt$hash */
static const char *check_rounds(const char *rest, size_t hash_length)
{
	const char *salt = rest, *hash;

	if (strncmp(rest, "rounds=", 7) == 0) {
		char *end;
		unsigned long rounds = strtoul(rest + 7, &end, 10);

		if (rest[7] < '0' || rest[7] > '9' || *end != '$')
			return "is cut or damaged";
		if (rounds < 1000 || rounds > ROUNDS_MAX)
			return "has rounds that are not between 1000 and 5000000";
		salt = end + 1;
	}
	hash = strchr(salt, '$');
	if (hash == NULL || !is_salt(salt, (size_t)(hash - salt)) || !is_crypt_text(hash + 1, hash_length))
		return "is cut or damaged";
	return NULL;
}

/* parameters$salt$hash; the second parameter is the cost (crypt(5)). */
static const char *check_yescrypt(const char *rest)
{
	const char *salt = strchr(rest, '$'), *hash = salt == NULL ? NULL : strchr(salt + 1, '$'), *cost;

	if (hash == NULL || salt - rest < 3 || salt - rest > 6 || rest[0] != 'j' || !is_crypt_text(hash + 1, 43) ||
	    strspn(rest, CRYPT_BYTES) != (size_t)(salt - rest) || strspn(salt + 1, CRYPT_BYTES) != (size_t)(hash - salt - 1))
		return "is cut or damaged";
	cost = strchr(CRYPT_BYTES, rest[1]);
	if (cost - CRYPT_BYTES > YESCRYPT_COST_MAX)
		return "has a cost above 7 (64 MiB of memory for each check)";
	return NULL;
}

static const char *check_hash(const char *hash)
{
	if (strlen(hash) > HTPASSWD_HASH_MAX)
		return "is longer than 383 bytes";
	if (strncmp(hash, "$2y$", 4) == 0 || strncmp(hash, "$2b$", 4) == 0 || strncmp(hash, "$2a$", 4) == 0)
		return check_bcrypt(hash + 4);
	if (strncmp(hash, "$6$", 3) == 0)
		return check_rounds(hash + 3, 86);
	if (strncmp(hash, "$5$", 3) == 0)
		return check_rounds(hash + 3, 43);
	if (strncmp(hash, "$1$", 3) == 0)
		return strncmp(hash + 3, "rounds=", 7) == 0 ? "is cut or damaged" : check_rounds(hash + 3, 22);
	if (strncmp(hash, "$y$", 3) == 0)
		return check_yescrypt(hash + 3);
	if (strncmp(hash, "$apr1$", 6) == 0)
		return "is of a kind that crypt(3) does not know ($apr1$, htpasswd's old MD5): make it anew with `htpasswd -B`";
	if (strncmp(hash, "{SHA}", 5) == 0)
		return "is of a kind that crypt(3) does not know ({SHA}, which has no salt): make it anew with `htpasswd -B`";
	if (hash[0] == '$')
		return "is of a kind that is not supported: make it anew with `htpasswd -B` or `mkpasswd -m yescrypt`";
	return "is no hash, or one of DES: make it with `htpasswd -B` or `mkpasswd -m yescrypt`";
}

/* ---- users ------------------------------------------------------------------------------------------------------- */

static bool is_control(unsigned char byte)
{
	return byte < ' ' || byte == 0x7f;
}

static const char *check_name(const char *name)
{
	if (name[0] == '\0')
		return "has no name";
	if (strlen(name) > HTPASSWD_NAME_MAX)
		return "has a name longer than 255 bytes";
	for (const char *at = name; *at != '\0'; at++)
		if (is_control((unsigned char)*at))
			return "has a name with control characters";
	return NULL;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct htpasswd_user *)a)->name, ((const struct htpasswd_user *)b)->name);
}

static size_t count_lines(const char *text, size_t length)
{
	size_t count = 1;

	for (size_t i = 0; i < length; i++)
		count += text[i] == '\n';
	return count;
}

/* Further fields, as in /etc/shadow, are ignored. */
static void parse_line(char *line, size_t number, struct htpasswd *htpasswd, struct htpasswd_user *users,
                       void (*complain)(void *context, size_t line, const char *name, const char *why), void *context)
{
	char *colon = strchr(line, ':'), *hash;
	const char *why;

	if (line[strspn(line, " \t")] == '\0' || line[0] == '#')
		return;
	if (colon == NULL) {
		complain(context, number, "", "has no colon, as in name:hash");
		return;
	}
	*colon = '\0';
	hash = colon + 1;
	hash[strcspn(hash, ":")] = '\0';
	why = check_name(line);
	if (why == NULL)
		why = check_hash(hash);
	if (why != NULL)
		complain(context, number, line, why);
	else
		users[htpasswd->count++] = (struct htpasswd_user){.name = line, .hash = hash, .line = number};
}

bool htpasswd_parse(struct htpasswd *htpasswd, char *text, size_t length, void *(*allocate)(void *context, size_t size),
                    void (*complain)(void *context, size_t line, const char *name, const char *why), void *context)
{
	struct htpasswd_user *users = allocate(context, count_lines(text, length) * sizeof(*users));
	char *line = text, *end = text + length;

	*htpasswd = (struct htpasswd){.users = users};
	if (users == NULL)
		return false;
	for (size_t number = 1; line < end; number++) {
		char *newline = memchr(line, '\n', (size_t)(end - line)), *next = newline == NULL ? end : newline + 1;
		size_t size = (size_t)((newline == NULL ? end : newline) - line);

		if (size > 0 && line[size - 1] == '\r')
			size--;
		line[size] = '\0'; /* the text has one byte after it */
		if (strlen(line) != size)
			complain(context, number, "", "holds a NUL byte");
		else
			parse_line(line, number, htpasswd, users, complain, context);
		line = next;
	}
	qsort(users, htpasswd->count, sizeof(*users), by_name);
	for (size_t i = 1; i < htpasswd->count; i++)
		if (strcmp(users[i].name, users[i - 1].name) == 0)
			complain(context, users[i].line > users[i - 1].line ? users[i].line : users[i - 1].line, users[i].name,
			         "occurs twice");
	return true;
}

const struct htpasswd_user *htpasswd_find(const struct htpasswd *htpasswd, const char *name)
{
	struct htpasswd_user wanted = {.name = name};

	if (htpasswd->count == 0)
		return NULL;
	return bsearch(&wanted, htpasswd->users, htpasswd->count, sizeof(wanted), by_name);
}

/* ---- credentials ------------------------------------------------------------------------------------------------- */

static int value_of(char digit)
{
	if (digit >= 'A' && digit <= 'Z')
		return digit - 'A';
	if (digit >= 'a' && digit <= 'z')
		return digit - 'a' + 26;
	if (digit >= '0' && digit <= '9')
		return digit - '0' + 52;
	return digit == '+' ? 62 : digit == '/' ? 63 : -1;
}

/* Base64 (RFC 4648 section 4) with or without padding, and nothing else, not even in the unused bits: each text has one
 * spelling. SIZE_MAX: it is not Base64, or too long. */
static size_t decode(char *to, size_t room, const char *from, size_t length)
{
	size_t used = 0;
	uint32_t bits = 0;
	unsigned count = 0;

	if (length % 4 == 0)
		for (int i = 0; i < 2 && length > 0 && from[length - 1] == '='; i++)
			length--;
	for (size_t i = 0; i < length; i++) {
		int value = value_of(from[i]);

		if (value < 0)
			return SIZE_MAX;
		bits = (bits << 6 | (uint32_t)value) & 0xfff;
		count += 6;
		if (count < 8)
			continue;
		count -= 8;
		if (used == room)
			return SIZE_MAX;
		to[used++] = (char)(bits >> count);
	}
	return count >= 6 || (bits & ((1u << count) - 1)) != 0 ? SIZE_MAX : used;
}

static bool split(struct basic_credentials *credentials, const char *text, size_t length)
{
	const char *colon = memchr(text, ':', length);
	size_t name_length, password_length;

	if (colon == NULL)
		return false;
	name_length = (size_t)(colon - text);
	password_length = length - name_length - 1;
	if (name_length == 0 || name_length > HTPASSWD_NAME_MAX || password_length > HTPASSWD_PASSWORD_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if (is_control((unsigned char)text[i]))
			return false;
	memcpy(credentials->name, text, name_length);
	credentials->name[name_length] = '\0';
	memcpy(credentials->password, colon + 1, password_length);
	credentials->password[password_length] = '\0';
	return true;
}

bool basic_credentials_parse(struct basic_credentials *credentials, const char *value, size_t length)
{
	char text[HTPASSWD_NAME_MAX + 1 + HTPASSWD_PASSWORD_MAX];
	size_t at = 6, decoded;
	bool is_right;

	if (length < 6 || strncasecmp(value, "Basic ", 6) != 0)
		return false;
	while (at < length && value[at] == ' ')
		at++;
	decoded = decode(text, sizeof(text), value + at, length - at);
	is_right = decoded != SIZE_MAX && split(credentials, text, decoded);
	explicit_bzero(text, sizeof(text));
	return is_right;
}
