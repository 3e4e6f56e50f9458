/* A route's auth.basic: the file of users is read now, so that no request waits for a disk, and a mistake in it changes nothing. */
#include "routes/config/basic.h"

#include <stdio.h>
#include <string.h>

#include "routes/config/complaints.h"
#include "routes/config/file.h"
#include "routes/config/keys.h"
#include "routes/config/value.h"

enum { REALM_MAX = 128 };

struct parsing {
	struct reader *reader;
	const struct yaml_node *node;
	const char *file;
};

static void *allocate(void *context, size_t size)
{
	return reader_allocate(((struct parsing *)context)->reader, size);
}

static void complain(void *context, size_t line, const char *name, const char *why)
{
	struct parsing *parsing = context;

	if (name[0] == '\0')
		reader_error(parsing->reader, parsing->node, "%.70s:%zu %s", parsing->file, line, why);
	else
		reader_error(parsing->reader, parsing->node, "%.70s:%zu: the hash of %.40s %s", parsing->file, line, name, why);
}

void read_htpasswd(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct basic_settings *basic = &((struct route *)into)->basic;
	const char *name = reader_text(reader, node, key->name);
	struct parsing parsing = {reader, node, name};
	size_t length, errors = reader->complaints->errors;
	char *text;

	if (name == NULL)
		return;
	basic->file = reader_copy(reader, name, strlen(name));
	if (reader->htpasswd_file.name == NULL || strcmp(reader->htpasswd_file.name, name) != 0) {
		text = reader_file(reader, node, name, CONFIG_HTPASSWD_BYTES_MAX, &length);
		if (text == NULL || !htpasswd_parse(&reader->htpasswd_file.users, text, length, allocate, complain, &parsing))
			return;
		reader->htpasswd_file.name = basic->file;
		if (reader->htpasswd_file.users.count == 0 && reader->complaints->errors == errors)
			reader_warn(reader, node, "there is no user in \"%.100s\", so nobody is let through", name);
	}
	basic->users = reader->htpasswd_file.users;
}

/* It goes into a header field between quotes. */
void read_realm(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct basic_settings *basic = &((struct route *)into)->basic;
	const char *text = reader_text(reader, node, key->name);
	size_t length = text == NULL ? 0 : strlen(text);

	if (text == NULL)
		return;
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~' || text[i] == '"' || text[i] == '\\')
			length = 0;
	if (length == 0 || length > REALM_MAX)
		reader_error(reader, node, "realm takes up to %d printable characters without quotes and backslashes, not \"%.60s\"",
		             REALM_MAX, text);
	else
		basic->realm = reader_copy(reader, text, length);
}

void basic_check(struct reader *reader, const struct yaml_node *node, struct route *route)
{
	static const char FORMAT[] = "Basic realm=\"%s\", charset=\"UTF-8\"";
	struct basic_settings *basic = &route->basic;
	char challenge[sizeof(FORMAT) + REALM_MAX];

	if (!basic->enabled)
		return;
	if (yaml_find(node, "file") == NULL)
		reader_error(reader, node, "basic has no file, as in { file: users.htpasswd }");
	if (basic->realm == NULL)
		return;
	snprintf(challenge, sizeof(challenge), FORMAT, basic->realm);
	basic->challenge = reader_copy(reader, challenge, strlen(challenge));
}
