/*
 * Which sanitizer this is built with: GCC has a macro for each, clang a feature.
 */
#ifndef GATEWAY_BASE_SANITIZER_H
#define GATEWAY_BASE_SANITIZER_H

#ifdef __has_feature
#define SANITIZER_FEATURE(name) __has_feature(name)
#else
#define SANITIZER_FEATURE(name) 0
#endif

#if defined __SANITIZE_ADDRESS__ || SANITIZER_FEATURE(address_sanitizer)
#define HAS_ADDRESS_SANITIZER 1
#else
#define HAS_ADDRESS_SANITIZER 0
#endif

#if defined __SANITIZE_THREAD__ || SANITIZER_FEATURE(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#else
#define HAS_THREAD_SANITIZER 0
#endif

#endif
