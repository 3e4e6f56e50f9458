/* Addresses: where to listen, whom to ask for names, whom to believe; who may change something; and where the access log goes. */
#include "routes/config/listen.h"

#include <string.h>
#include <strings.h>

#include "routes/config/file.h"
#include "routes/config/keys.h"
#include "routes/config/value.h"

static bool read_address(struct reader *reader, const char *what, const struct yaml_node *node, uint16_t default_port,
                         struct address *address)
{
	const char *text = node->is_refused ? NULL : reader_text(reader, node, what);

	if (text == NULL)
		return false;
	if (address_parse(address, text, default_port))
		return true;
	reader_error(reader, node, "%s takes %s, not \"%.60s\"", what,
	             default_port != 0 ? "an IP address, or address:port" : "a port, address:port or [v6]:port", text);
	return false;
}

/* The list as an array in the configuration's memory; *count of its entries are good, all different. */
static const struct address *read_addresses(struct reader *reader, const struct key *key, const struct yaml_node *node,
                                            uint16_t default_port, bool may_be_scalar, size_t *count)
{
	size_t most;
	const struct yaml_node *item = reader_list(reader, node, key->name, may_be_scalar, &most);
	struct address *list = most > 0 ? reader_allocate(reader, most * sizeof(*list)) : NULL;

	*count = 0;
	for (; item != NULL && list != NULL && *count < most; item = item->next) {
		bool is_new = read_address(reader, key->name, item, default_port, &list[*count]);

		for (size_t i = 0; is_new && i < *count; i++) {
			if (address_equal(&list[i], &list[*count])) {
				reader_error(reader, item, "%s has this address twice", key->name);
				is_new = false;
			}
		}
		if (is_new && ++*count == 256 && most > 256) {
			reader_error(reader, node, "%s has more than 256 entries", key->name);
			break;
		}
	}
	return list;
}

void read_listen(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;

	if (node->kind == YAML_SEQUENCE && node->count == 0)
		reader_error(reader, node, "listen needs at least one port");
	else
		config->listen = read_addresses(reader, key, node, 0, true, &config->listen_count);
}

void read_dns_servers(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;

	config->dns_servers = read_addresses(reader, key, node, 53, false, &config->dns_server_count);
}

void read_admin(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;
	const char *text = reader_text(reader, node, key->name);

	if (text == NULL)
		return;
	if (value_is_off(text))
		config->admin = (struct address){0};
	else if (!address_parse(&config->admin, text, 0))
		reader_error(reader, node, "admin takes a port, address:port, [v6]:port or off, not \"%.60s\"", text);
}

/* A token that an Authorization field can carry (RFC 6750 section 2.1) and that nobody can guess. */
static bool is_token(const char *token, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (token[i] <= ' ' || token[i] > '~')
			return false;
	return length >= CONFIG_TOKEN_BYTES_LEAST;
}

void read_token_file(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;
	const char *text = reader_text(reader, node, key->name);
	size_t length;
	char *token;

	if (text == NULL)
		return;
	config->admin_token_file = config->admin_token = NULL;
	if (value_is_off(text))
		return;
	config->admin_token_file = reader_copy(reader, text, strlen(text));
	token = reader_file(reader, node, text, CONFIG_TOKEN_BYTES_MAX, &length);
	if (token == NULL)
		return;
	while (length > 0 && (token[length - 1] == '\n' || token[length - 1] == '\r'))
		token[--length] = '\0';
	config->admin_token = token;
	if (!is_token(token, length))
		reader_error(reader, node, "\"%.100s\" must hold one line of %d or more letters, digits and signs", text,
		             CONFIG_TOKEN_BYTES_LEAST);
}

static bool take_prefix(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count)
{
	bool is_right = prefix_parse((struct prefix *)list + count, text);

	if (!is_right)
		reader_error(reader, item,
		             "trusted_proxies takes addresses and prefixes with zero host bits, as in 10.0.0.0/8, not \"%.60s\"", text);
	return is_right;
}

void read_prefixes(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;

	config->trusted_proxies = reader_array(reader, key, node, false, sizeof(config->trusted_proxies[0]), take_prefix,
	                                       &config->trusted_proxy_count);
}

/* Words that people write for a switch elsewhere; a file of that name is hardly what they mean. */
static bool is_switch_word(const char *text)
{
	static const char *const WORDS[] = {"", "on", "true", "yes", "no", "none", "null", "stderr"};

	for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++)
		if (strcasecmp(text, WORDS[i]) == 0)
			return true;
	return false;
}

void read_log_target(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	struct config *config = into;
	const char *text = reader_text(reader, node, key->name);

	if (text == NULL)
		return;
	config->access_log_path = NULL;
	if (value_is_off(text)) {
		config->access_log = ACCESS_LOG_OFF;
	} else if (strcmp(text, "stdout") == 0) {
		config->access_log = ACCESS_LOG_STDOUT;
	} else if (is_switch_word(text)) {
		reader_error(reader, node, "%s is off, stdout or a file, not \"%.40s\"", key->name, text);
	} else {
		config->access_log = ACCESS_LOG_FILE;
		config->access_log_path = reader_copy(reader, text, strlen(text));
	}
}

void read_log_when(struct reader *reader, const struct key *key, const struct yaml_node *node, void *into)
{
	if (node->kind == YAML_SCALAR && strcmp(node->text, "failures") == 0)
		key_store(key, into, CONFIG_WHEN_FAILURES);
	else
		read_number(reader, key, node, into);
}
