/*
 * Spring's properties as one tree, whatever form they were written in: nested YAML, dotted keys, .properties. A name is found
 * in each of its spellings (response-timeout, responseTimeout, RESPONSE_TIMEOUT), as in Spring's relaxed binding.
 *
 * Each property keeps its place and its verdict: the worst that was given, with all reasons.
 */
#ifndef GATEWAY_IMPORT_PROPERTY_H
#define GATEWAY_IMPORT_PROPERTY_H

#include <stdbool.h>
#include <stddef.h>

#include "routes/config/arena.h"

enum verdict { VERDICT_NONE, VERDICT_EXACT, VERDICT_DIFFERENT, VERDICT_REFUSED };

struct property {
	const char *name;  /* as written, for a list's item "[0]"; never NULL */
	const char *value; /* NULL: nothing but what is below it */
	const char *file;
	size_t line;
	bool is_item;     /* of a list */
	unsigned long long index; /* the item's number */
	bool is_verbatim; /* its name was in brackets, and has no other spelling */
	enum verdict verdict;
	const char *why;     /* of the verdict; NULL = it says all */
	const char *warning; /* added to an `exact`, which turns it into `different`: a default was fixed, say */
	const char *title;   /* what the verdict calls it; NULL = its whole name */
	struct property *parent, *first, *next;
	bool is_unused;      /* only routes that are left out have read it; set when verdicts are told */
	size_t count;
	size_t number; /* in the order of the tree; set when verdicts are told */
};

/* Never NULL: on a shortage the command ends with exit status 1, as it has nothing to save. */
void *property_allocate(struct arena *arena, size_t size);
const char *property_format(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *property_copy(struct arena *arena, const char *text, size_t length);

/* The child of this name, made if there is none: behind the others, but an item of a list in the order of the numbers. `name` is
 * one step, without dots: "routes" or "[0]". `is_verbatim`: it was in brackets, so that only the same bytes are the same name. */
struct property *property_child(struct arena *arena, struct property *parent, const char *name, bool is_verbatim,
                                const char *file, size_t line);
/* By a path with dots, from `from` on; NULL when `from` is NULL or there is none. */
struct property *property_find(struct property *from, const char *path);
/* The value at a path; NULL when there is none. */
const char *property_value(struct property *from, const char *path);
/* Are two names the same in relaxed spelling? */
bool property_is_named(const char *name, const char *other);
/* "spring.cloud.gateway.routes[0].id" */
const char *property_path(struct arena *arena, const struct property *property);
bool property_is_list(const struct property *property);

/* `from` wins over what `into` holds; a list replaces the other as a whole. `from` must not be used any more. What
 * was replaced gets its verdict and goes below `replaced`. */
void property_merge(struct arena *arena, struct property *into, struct property *from, struct property *replaced);

/* The worst verdict stays; reasons of the same add up. `property` NULL: nobody wrote it, so there is no verdict. */
void verdict_exact(struct arena *arena, struct property *property);
void verdict_different(struct arena *arena, struct property *property, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void verdict_refused(struct arena *arena, struct property *property, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The same verdict for all below that have none yet. */
void verdict_below(struct arena *arena, struct property *property, enum verdict verdict, const char *why);

#endif
