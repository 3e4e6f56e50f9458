/* Text of gateway.yml as it is printed. */
#ifndef ROUTES_CONFIG_PRINT_TEXT_H
#define ROUTES_CONFIG_PRINT_TEXT_H

#include <stdio.h>

#include "routes/config/config.h"

/* With `dollar` for each dollar sign. */
void print_escaped(FILE *to, const char *text, size_t length, const char *dollar);
/* So that nothing of it is taken for a variable of the environment. */
void print_quoted(FILE *to, const char *text, size_t length);
void print_text(FILE *to, const char *text);
void print_texts(FILE *to, const struct texts *texts);
/* A file that the configuration names. */
void print_file(FILE *to, const struct config *config, const char *file);

#endif
