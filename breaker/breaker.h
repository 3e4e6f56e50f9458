/*
 * The circuit breaker of one upstream, shared by all threads.
 *
 * A call asks breaker_admit() for a permit and gives it back with breaker_settle() exactly once. State, generation and value
 * are one 64-bit word (state.h), so every transition is one compare-and-swap. A permit carries the generation in which it was
 * given: settling it after a transition changes nothing.
 *
 * This folder knows no clock, no log and no HTTP: time and randomness are parameters. Any thread may call the functions of this
 * header; only breaker_new() allocates, and none blocks.
 */
#ifndef BREAKER_BREAKER_H
#define BREAKER_BREAKER_H

#include "breaker/types.h"

/* A new breaker is closed. NULL: memory is short. on_transition may be NULL. */
struct breaker *breaker_new(const struct breaker_settings *settings, uint64_t now_ms,
                            breaker_on_transition *on_transition, void *context);
/* For a reload that changes the shape of the window: gives a new breaker, which no request has asked yet, the state of
 * `old` (with the rest of its open time) and its totals. A permit that is settled on the old one later does not reach the new
 * one. */
void breaker_take_over(struct breaker *breaker, struct breaker *old);
void breaker_free(struct breaker *breaker);

/* May this call go to the upstream? True: `permit` must be settled exactly once. False: the breaker will reject for at least
 * *retry_after_ms, which is never 0; if nobody can know, it is 1 (half-open) or open_for_ms (forced open). `random` is any
 * uniform 32-bit number (jitter). Settings may differ from call to call (a reload), except window and window_size, which are
 * fixed at birth. */
bool breaker_admit(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms, uint32_t random,
                   struct breaker_permit *permit, uint64_t *retry_after_ms);

/* The same for a call whose end depends on its client as much as on the upstream: its body is incomplete, or the client has
 * given up probes before. It takes none of the places of a half-open breaker's probes, so nobody waits for it. Its result
 * counts like a probe's if a place is free when it comes. At most half_open_calls such calls a second pass. */
bool breaker_admit_aside(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                         uint32_t random, struct breaker_permit *permit, uint64_t *retry_after_ms);

/* The call is done with the upstream. `duration_ms`: to the response head. Clears `permit`. */
void breaker_settle(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms, uint32_t random,
                    struct breaker_permit *permit, enum breaker_verdict verdict, uint64_t duration_ms);

/* Is this permit one of the few of a half-open breaker, for a probe or aside? */
bool breaker_permit_is_probe(const struct breaker_permit *permit);

/* None of the endpoints that failed is left: an open breaker lets its probes through at once, a half-open one begins again.
 * Nothing happens in other states, or if no probe was sent since the last call. */
void breaker_probe_now(struct breaker *breaker, uint64_t now_ms);

/* The state that an operator asks for: BREAKER_CLOSED, BREAKER_FORCED_OPEN, BREAKER_DISABLED or BREAKER_METRICS_ONLY. */
void breaker_force(struct breaker *breaker, enum breaker_state state, uint64_t now_ms);
/* The current word. If a half-open breaker's verdict is due, this function gives it first. No timer does that: a breaker that
 * nobody asks need not change. */
uint64_t breaker_review(struct breaker *breaker, const struct breaker_settings *settings, uint64_t now_ms,
                        uint32_t random);

#endif
