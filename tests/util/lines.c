/* tests/util/lines.c - see lines.h. */
#include "tests/util/lines.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE      4096
#define LINE      64
#define LEFT_OUT  16
#define PAGES_MAX 32768     /* 128 MiB with something in them; address space, until it is used */
#define TABLE     (1 << 17) /* open addressing */
#define PRESENT   (UINT64_C(1) << 63) /* of an entry of /proc/self/pagemap */

struct page {
	uintptr_t at;
	uint8_t by[PAGE / LINE];
	uint8_t copy[PAGE];
};

struct range {
	uintptr_t from, to;
};

struct lines {
	struct page *page;
	uint32_t n;
	uint32_t *table; /* index + 1 */
	struct range out[LEFT_OUT];
	unsigned int n_out;
	size_t size; /* of all this */
};

/* Not Criterion's: it counts what is asserted, and that would be seen. */
static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "lines: %s\n", what);
	abort();
}

struct lines *lines_new(void)
{
	const size_t pages = PAGES_MAX * sizeof(struct page), table = TABLE * sizeof(uint32_t);
	const size_t size = pages + table + sizeof(struct lines);
	struct lines *l;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED, "no memory");
	l = (void *)(p + pages + table);
	l->page = (void *)p;
	l->table = (void *)(p + pages);
	l->size = size;
	lines_leave_out(l, p, size);
	return l;
}

void lines_free(struct lines *l)
{
	munmap(l->page, l->size);
}

void lines_leave_out(struct lines *l, const void *p, size_t len)
{
	must(l->n_out < LEFT_OUT, "too much is left out");
	l->out[l->n_out++] = (struct range){(uintptr_t)p, (uintptr_t)p + len};
}

static bool is_out(const struct lines *l, uintptr_t at)
{
	for (unsigned int i = 0; i < l->n_out; i++)
		if (at + LINE > l->out[i].from && at < l->out[i].to)
			return true;
	return false;
}

static struct page *page_of(struct lines *l, uintptr_t at)
{
	uint32_t h = (uint32_t)(at / PAGE * UINT64_C(0x9e3779b97f4a7c15) >> 40) % TABLE;

	for (; l->table[h] != 0; h = (h + 1) % TABLE)
		if (l->page[l->table[h] - 1].at == at)
			return &l->page[l->table[h] - 1];
	must(l->n < PAGES_MAX, "too many pages");
	l->page[l->n].at = at;
	l->table[h] = l->n + 1;
	return &l->page[l->n++]; /* of zeroes, as memory is before its first use */
}

static void look_at_page(struct lines *l, uintptr_t at, unsigned int who)
{
	struct page *p = page_of(l, at);

	if (memcmp(p->copy, (const void *)at, PAGE) == 0)
		return;
	for (unsigned int i = 0; i < PAGE / LINE; i++) {
		const void *now = (const void *)(at + i * LINE);

		if (memcmp(&p->copy[i * LINE], now, LINE) == 0)
			continue;
		memcpy(&p->copy[i * LINE], now, LINE);
		if (!is_out(l, at + i * LINE))
			p->by[i] |= (uint8_t)who;
	}
}

/* Pages inside of what is left out are not copied at all. */
static bool page_is_out(const struct lines *l, uintptr_t at)
{
	for (unsigned int i = 0; i < l->n_out; i++)
		if (at >= l->out[i].from && at + PAGE <= l->out[i].to)
			return true;
	return false;
}

static void look_at_range(struct lines *l, struct range r, int pagemap, unsigned int who)
{
	static uint64_t entry[4096];

	for (uintptr_t at = r.from; at < r.to; at += sizeof(entry) / sizeof(entry[0]) * PAGE) {
		size_t n = (r.to - at) / PAGE;

		n = n < sizeof(entry) / sizeof(entry[0]) ? n : sizeof(entry) / sizeof(entry[0]);
		must(pread(pagemap, entry, n * 8, (off_t)(at / PAGE * 8)) == (ssize_t)(n * 8),
		     "/proc/self/pagemap");
		for (size_t i = 0; i < n; i++)
			if ((entry[i] & PRESENT) != 0 && !page_is_out(l, at + i * PAGE))
				look_at_page(l, at + i * PAGE, who);
	}
}

void lines_look(struct lines *l, unsigned int who)
{
	static char text[1 << 17];
	int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n;

	must(maps >= 0 && pagemap >= 0, "/proc/self");
	while ((n = read(maps, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	close(maps);
	for (char *line = text; *line != '\0'; line += strcspn(line, "\n") + 1) {
		struct range r;
		char may_write;

		if (sscanf(line, "%lx-%lx %*c%c", &r.from, &r.to, &may_write) != 3 ||
		    may_write != 'w' || ((uintptr_t)&r >= r.from && (uintptr_t)&r < r.to))
			continue;
		look_at_range(l, r, pagemap, who);
	}
	close(pagemap);
}

static bool is_several(uint8_t by)
{
	return (by & (by - 1)) != 0;
}

size_t lines_written(const struct lines *l, unsigned int who)
{
	size_t n = 0;

	for (uint32_t i = 0; i < l->n; i++)
		for (unsigned int k = 0; k < PAGE / LINE; k++)
			n += l->page[i].by[k] == who;
	return n;
}

const void *lines_next_shared(const struct lines *l, const void *p)
{
	uintptr_t best = UINTPTR_MAX;

	for (uint32_t i = 0; i < l->n; i++)
		for (unsigned int k = 0; k < PAGE / LINE; k++) {
			uintptr_t at = l->page[i].at + k * LINE;

			if (is_several(l->page[i].by[k]) && at > (uintptr_t)p && at < best)
				best = at;
		}
	return best != UINTPTR_MAX ? (const void *)best : NULL;
}
