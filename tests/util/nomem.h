/*
 * tests/util/nomem.h - the nth allocation fails, in this process and in those it has forked.
 *
 * The linker puts a shim before each function of our own code (--wrap; nomem_dep of
 * tests/unit/meson.build); what libraries allocate for themselves does not count.
 */
#ifndef SLUICE_TESTS_UTIL_NOMEM_H
#define SLUICE_TESTS_UTIL_NOMEM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct nomem {
	atomic_bool on, fired;
	atomic_uint calls, fail_at; /* 0: none fails */
};

/* One for all processes. */
static struct nomem *nomem;
/* Of this thread nothing counts: it is the test's, not what is tested. */
static _Thread_local bool nomem_outside;

static inline bool nomem_now(void)
{
	if (nomem == NULL || !nomem->on || nomem_outside ||
	    atomic_fetch_add(&nomem->calls, 1) + 1 != nomem->fail_at)
		return false;
	nomem->fired = true;
	return true;
}

#define NOMEM_SHIM(type, name, params, args, failed)                                               \
	type __real_##name params;                                                                 \
	type __wrap_##name params;                                                                 \
	type __wrap_##name params                                                                  \
	{                                                                                          \
		return nomem_now() ? failed : __real_##name args;                                  \
	}

NOMEM_SHIM(void *, malloc, (size_t n), (n), NULL)
NOMEM_SHIM(void *, calloc, (size_t n, size_t size), (n, size), NULL)
NOMEM_SHIM(void *, realloc, (void *p, size_t n), (p, n), NULL)
NOMEM_SHIM(void *, reallocarray, (void *p, size_t n, size_t size), (p, n, size), NULL)
NOMEM_SHIM(char *, strdup, (const char *s), (s), NULL)
NOMEM_SHIM(char *, strndup, (const char *s, size_t n), (s, n), NULL)
NOMEM_SHIM(void *, mmap, (void *p, size_t n, int prot, int flags, int fd, off_t at),
	   (p, n, prot, flags, fd, at), MAP_FAILED)

/* Before the first process is forked. */
static inline void nomem_init(void)
{
	nomem_outside = true;
	nomem = mmap(NULL, sizeof(*nomem), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (nomem == MAP_FAILED)
		abort();
}

static inline void nomem_begin(unsigned int n)
{
	nomem->calls = 0;
	nomem->fired = false;
	nomem->fail_at = n;
	nomem->on = true;
}

/* Did it fail? Else there were fewer. */
static inline bool nomem_end(void)
{
	nomem->on = false;
	return nomem->fired;
}

#endif
