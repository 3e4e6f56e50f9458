/*
 * The breaker's word: state, generation and what belongs to the state, in 64 bits; and the pure functions that turn
 * one word into the next. Nothing here is shared, remembered or read from a clock: breaker.c does the sharing.
 * The essay on the states and the layout of the word are at the head of state.c.
 *
 * `now` is in milliseconds since the breaker's birth. `random` is any uniform 32-bit number.
 */
#ifndef BREAKER_STATE_H
#define BREAKER_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "breaker/types.h"

enum {
	STATE_GENERATIONS = 1 << 16,  /* the generation counts modulo this */
	STATE_PROBES_MAX = 100,       /* most half_open_calls */
	STATE_REOPENINGS_MAX = 15,    /* re-openings in a row count up to this: open_for times 32768 */
	STATE_TICK_MS = 64,           /* the precision of the time since when a half-open breaker's probes are in flight */
	STATE_HALF_OPEN_TIMEOUT_MAX_MS = 30 * 60 * 1000,
};

/* The probes of a half-open word. passed + failed are settled; sent minus those are in flight. `slow` ones are also in
 * `passed` or `failed`. */
struct state_probes {
	uint32_t sent, passed, failed, slow;
};

/* ---- reading a word ------------------------------------------------------------------------------------------- */
enum breaker_state state_of(uint64_t word);
uint32_t state_generation(uint64_t word);
uint32_t state_reopenings(uint64_t word);          /* in a row; 0 unless open or half-open */
uint64_t state_open_until(uint64_t word);          /* 0 unless open */
struct state_probes state_probes(uint64_t word);   /* zeros unless half-open */

/* Is `part` at least `rate_bp` basis points of `whole`, and not 0? This is the only place where rates are compared. */
bool state_reaches(uint64_t part, uint64_t whole, uint32_t rate_bp);

/* ---- from one word to the next; a word that comes back unchanged means "nothing to do" ------------------------- */
uint64_t state_born(void);

/* A call asks to pass. Open and its time is over: half-open with this call as the first probe. Half-open with room: one more
 * probe sent. Unchanged in all other cases: their meaning depends on the state. */
uint64_t state_admit(uint64_t word, uint64_t now, const struct breaker_settings *settings);

/* The endpoints that failed are gone: from open or half-open to half-open with no probe sent yet; re-openings count from 0
 * again. Unchanged if no probe was sent since the last time, and in all other states. */
uint64_t state_begin_anew(uint64_t word);

/* Closed or half-open to open; from half-open it is a re-opening and lasts longer. */
uint64_t state_open(uint64_t word, uint64_t now, const struct breaker_settings *settings, uint32_t random);

/* A probe of this (half-open) generation has ended. Gives no verdict on the upstream: state_review() does. */
uint64_t state_settle(uint64_t word, enum breaker_verdict verdict, bool is_slow);

/* Is a half-open breaker's verdict due, because enough probes are settled or those in flight take too long? *reason is set
 * when the word changes. */
uint64_t state_review(uint64_t word, uint64_t now, const struct breaker_settings *settings, uint32_t random,
                      enum breaker_reason *reason);

/* The state that an operator asks for. Closing always begins a new generation, even when closed already: that clears the
 * window. */
uint64_t state_force(uint64_t word, enum breaker_state state);

/* The word for a successor that takes over: probes in flight stay with the old breaker. */
uint64_t state_inherit(uint64_t word);

#endif
