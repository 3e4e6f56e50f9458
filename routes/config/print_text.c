/* Text between quotes, as YAML reads it back. */
#include "routes/config/print_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* One well-formed UTF-8 sequence. The reader let nothing else in; bytes of a fallback's file are not printed. */
static const char *decode(const char *text, const char *end, uint32_t *point)
{
	unsigned char first = (unsigned char)*text++;
	unsigned more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;

	*point = more == 0 ? first : first & (0x3fu >> more);
	for (; more > 0 && text < end; more--)
		*point = *point << 6 | ((unsigned char)*text++ & 0x3f);
	return text;
}

/* Texts that YAML reads unquoted, in one line and without folding. */
static bool is_raw(uint32_t point)
{
	return (point >= 0x20 && point <= 0x7e) ||
	       (point >= 0xa0 && point <= 0xd7ff && point != 0x2028 && point != 0x2029) ||
	       (point >= 0xe000 && point <= 0xfffd && point != 0xfeff) || (point >= 0x10000 && point <= 0x10ffff);
}

void print_escaped(FILE *to, const char *text, size_t length, const char *dollar)
{
	const char *end = text + length, *next;
	uint32_t point;

	fputc('"', to);
	for (; text < end; text = next) {
		next = decode(text, end, &point);
		if (point == '"' || point == '\\')
			fprintf(to, "\\%c", (char)point);
		else if (point == '$')
			fputs(dollar, to);
		else if (point == '\n')
			fputs("\\n", to);
		else if (is_raw(point))
			fwrite(text, 1, (size_t)(next - text), to);
		else
			fprintf(to, "\\U%08" PRIX32, point);
	}
	fputc('"', to);
}

void print_quoted(FILE *to, const char *text, size_t length)
{
	print_escaped(to, text, length, "$$");
}

void print_text(FILE *to, const char *text)
{
	print_quoted(to, text, strlen(text));
}

/* A path is seen from the folder of gateway.yml, and what is printed may be fed back from another one. */
void print_file(FILE *to, const struct config *config, const char *file)
{
	const char *slash = strrchr(config->file, '/');
	char *folder = slash != NULL ? strndup(config->file, (size_t)(slash + 1 - config->file)) : strdup("."), *real = NULL, *path;

	if (file[0] != '/' && folder != NULL)
		real = realpath(folder, NULL);
	if (real != NULL && asprintf(&path, "%s/%s", strcmp(real, "/") == 0 ? "" : real, file) >= 0) {
		print_text(to, path);
		free(path);
	} else {
		print_text(to, file);
	}
	free(real);
	free(folder);
}

void print_texts(FILE *to, const struct texts *texts)
{
	fputc('[', to);
	for (size_t i = 0; i < texts->count; i++) {
		fputs(i > 0 ? ", " : "", to);
		print_text(to, texts->list[i]);
	}
	fputc(']', to);
}
