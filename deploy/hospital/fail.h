#ifndef HOSPITAL_FAIL_H
#define HOSPITAL_FAIL_H

/* Says why on stderr and ends the program. */
void fail(const char *what, const char *why) __attribute__((noreturn));

#endif
