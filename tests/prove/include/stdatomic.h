/*
 * For cbmc, which knows no C11 atomics: a proof has one thread. (That threads do not harm each other rests on every
 * transition being one compare-and-swap, and on the thread tests.) A weak exchange may fail for no reason, and does.
 */
#ifndef TESTS_PROVE_STDATOMIC_H
#define TESTS_PROVE_STDATOMIC_H

#define _Atomic
#define memory_order_relaxed 0
#define memory_order_acquire 0
#define memory_order_release 0
#define ATOMIC_LLONG_LOCK_FREE 2
#define atomic_init(object, value) ((void)(*(object) = (value)))
#define atomic_load(object) (*(object))
#define atomic_load_explicit(object, order) (*(object))
#define atomic_store_explicit(object, value, order) ((void)(*(object) = (value)))
#define atomic_fetch_add_explicit(object, value, order) ((void)(*(object) += (value)))
#define atomic_compare_exchange_strong(object, expected, wanted) \
	(*(object) == *(expected) ? (*(object) = (wanted), 1) : (*(expected) = *(object), 0))

#endif
