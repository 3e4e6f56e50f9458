/* Values of gateway.yml. */
#ifndef ROUTES_CONFIG_VALUE_H
#define ROUTES_CONFIG_VALUE_H

#include "routes/config/reader.h"

/* The text of a scalar with the environment put in; NULL after a complaint. Never empty unless quoted. */
const char *reader_text(struct reader *reader, const struct yaml_node *node, const char *what);
/* Nothing was written after the colon. */
bool reader_is_empty(const struct yaml_node *node);
/* A list, or one value in its place when `may_be_scalar`, which is then a list of one. Returns the first node of *count;
 * NULL and 0 after a complaint or when empty. */
const struct yaml_node *reader_list(struct reader *reader, const struct yaml_node *node, const char *what,
                                    bool may_be_scalar, size_t *count);
/* Takes one entry of a list, behind `count` others. False: it is left out, after a complaint or for lack of memory. */
typedef bool entry_take(struct reader *reader, const struct yaml_node *item, const char *text, void *list, size_t count);
/* A list as an array in the configuration's memory, of entries of `size` bytes; *count were taken. NULL: none. */
void *reader_array(struct reader *reader, const struct key *key, const struct yaml_node *node, bool may_be_scalar, size_t size,
                   entry_take *take, size_t *count);
/* A token of RFC 9110: the name of a field, a method. The bytes of it that `text` begins with; is the whole text one? */
size_t value_token_length(const char *text);
bool value_is_token(const char *text);
/* on or true, off or false. */
bool value_is_on(const char *text);
bool value_is_off(const char *text);
/* A section that is written to have nothing in it, whatever it would inherit: off, or none. */
bool value_is_nothing(const struct yaml_node *node);

key_read read_number, read_choice, read_statuses, read_plain_text, read_raw_text;

#endif
