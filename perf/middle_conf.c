/* perf/middle_conf.c - see middle_conf.h. */
#include "perf/middle_conf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* One number of each way, at its place in struct path_conf, times so much. */
struct option {
	const char *name, *text;
	size_t at;
	double times;
	bool wide; /* uint64_t, else uint32_t */
};
#define AT(f) offsetof(struct path_conf, f)
#define PPM   (PATH_MILLION / 100.0)
static const struct option options[] = {
	{"--mbit", "Mbit/s of the link; 0: no limit", AT(bits_per_s), 1e6, true},
	{"--queue", "bytes that may wait for it", AT(queue_bytes), 1, true},
	{"--mark", "CE is set while so many bytes wait", AT(mark_bytes), 1, true},
	{"--delay", "ms each way", AT(delay_ns), 1e6, true},
	{"--jitter", "ms added at most", AT(jitter_ns), 1e6, true},
	{"--loss", "percent", AT(loss_ppm), PPM, false},
	{"--burst", "packets lost together, on average", AT(burst), 1, false},
	{"--reorder", "percent held back", AT(reorder_ppm), PPM, false},
	{"--reorder-by", "ms", AT(reorder_ns), 1e6, true},
	{"--dup", "percent", AT(dup_ppm), PPM, false},
	{"--corrupt", "percent", AT(corrupt_ppm), PPM, false},
	{"--light", "s that the path is open, by turns with", AT(light_ns), 1e9, true},
	{"--dark", "s that it is a black hole", AT(dark_ns), 1e9, true},
	{"--seed", "of all chance; 1", AT(seed), 1, true},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

void middle_conf_usage(FILE *f)
{
	fprintf(f, "usage: middle NETNS:IFACE NETNS:IFACE [OPTION VALUE]...\n"
		   "  --way ab|ba|both  what the options behind it are for\n"
		   "  --life S          ends after so long; 60\n"
		   "  --right 0|1       checksums of corrupted packets are made right\n");
	for (size_t i = 0; i < OPTIONS; i++)
		fprintf(f, "  %-17s %s\n", options[i].name, options[i].text);
}

static bool number(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && *end == '\0' && *ret >= 0 && *ret < 1e18;
}

static bool option_set(const char *name, double v, unsigned int ways, struct middle_conf *s)
{
	for (size_t i = 0; i < OPTIONS; i++) {
		const struct option *o = &options[i];

		if (strcmp(name, o->name) != 0)
			continue;
		for (unsigned int w = 0; w < MIDDLE_WAYS; w++) {
			char *at = (char *)&s->way[w] + o->at;
			uint64_t wide = (uint64_t)(v * o->times + 0.5);
			uint32_t narrow = wide > UINT32_MAX ? UINT32_MAX : (uint32_t)wide;

			if (!(ways & 1u << w))
				continue;
			if (o->wide)
				memcpy(at, &wide, sizeof(wide));
			else
				memcpy(at, &narrow, sizeof(narrow));
		}
		return true;
	}
	return false;
}

bool middle_conf_parse(char **argv, struct middle_conf *s)
{
	unsigned int ways = 3;

	for (; argv[0] != NULL; argv += 2) {
		double v = 0;

		if (argv[1] == NULL)
			return false;
		if (strcmp(argv[0], "--way") == 0) {
			ways = strcmp(argv[1], "ab") == 0     ? 1
			       : strcmp(argv[1], "ba") == 0   ? 2
			       : strcmp(argv[1], "both") == 0 ? 3
							      : 0;
			if (ways == 0)
				return false;
			continue;
		}
		if (!number(argv[1], &v))
			return false;
		if (strcmp(argv[0], "--life") == 0)
			s->life_s = v;
		else if (strcmp(argv[0], "--right") == 0)
			s->right = v != 0;
		else if (!option_set(argv[0], v, ways, s))
			return false;
	}
	for (unsigned int w = 0; w < MIDDLE_WAYS; w++)
		if (s->way[w].loss_ppm > PATH_MILLION)
			return false;
	return true;
}

void middle_conf_init(struct middle_conf *s)
{
	*s = (struct middle_conf){.life_s = 60, .way = {{.seed = 1}, {.seed = 1}}};
}
