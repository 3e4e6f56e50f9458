/* The figures that opened a breaker, kept while it is open. */
#ifndef BREAKER_FIGURES_H
#define BREAKER_FIGURES_H

#include "breaker/types.h"
#include "breaker/window.h"

/* It is about to open for these, under this generation. */
void figures_keep(struct breaker *breaker, uint32_t generation, struct window_sum figures);
/* Zeros: it has opened again meanwhile. */
struct window_sum figures_kept(const struct breaker *breaker, uint32_t generation);

#endif
