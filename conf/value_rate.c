/*
 * conf/value_rate.c - values of ChannelRate, ConnectionRate and their like: what may pass in a
 * second, from the client and to it, and at once.
 */
#include <inttypes.h>
#include <string.h>

#include "conf/internal.h"

#define BURST_MAX (UINT64_C(1) << 30)

/* Bits, as links are sold: thousands, not 1024s. */
static bool bits_read(const char *text, uint64_t *ret)
{
	static const struct {
		const char *name;
		uint64_t bits;
	} units[] = {{"bit", 1}, {"kbit", 1000}, {"mbit", 1000000}, {"gbit", 1000000000}};
	uint64_t n;

	if (!digits(&text, CONF_RATE_MAX * 8, &n))
		return false;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcasecmp(text, units[i].name) != 0)
			continue;
		if (n > CONF_RATE_MAX * 8 / units[i].bits)
			return false;
		*ret = n * units[i].bits / 8;
		return true;
	}
	return false;
}

static bool rate_read(struct value *v, const struct kw *kw, const char *text, uint64_t *ret)
{
	if (strcasecmp(text, "none") == 0) {
		*ret = 0;
		return true;
	}
	if (!bits_read(text, ret) && !size_read(text, ret))
		return value_bad(v, "%s: invalid rate '%.100s'", kw->info.name, text);
	if (!conf_rate_ok(*ret))
		return value_bad(v, "%s: rate not between 8kbit and 1000gbit", kw->info.name);
	return true;
}

/* IN, OUT and BURST, as far as they are there. */
static bool rates_read(struct value *v, const struct kw *kw, const char *const *argv,
		       unsigned int argc, struct conf_rate *ret)
{
	struct conf_rate r = {0};
	uint64_t burst = 0;

	if (!rate_read(v, kw, argv[0], &r.in))
		return false;
	r.out = r.in;
	if (argc > 1 && !rate_read(v, kw, argv[1], &r.out))
		return false;
	if (argc > 2 && (!size_read(argv[2], &burst) || burst == 0 || burst > BURST_MAX))
		return value_bad(v, "%s: invalid burst '%.100s'", kw->info.name, argv[2]);
	r.burst = (uint32_t)burst;
	*ret = r;
	return true;
}

static bool parse_rate(struct value *v, const struct kw *kw, void *field)
{
	return rates_read(v, kw, v->argv, v->argc, field);
}

static bool parse_role_rate(struct value *v, const struct kw *kw, void *field)
{
	struct conf_role_rate r = {.name = v->argv[0]};

	if (v->argc == 1) {
		if (strcasecmp(v->argv[0], "none") != 0)
			return value_bad(v, "%s: no rate", kw->info.name);
		*(struct conf_role_rate *)field = (struct conf_role_rate){0};
		return true;
	}
	if (!value_name_ok(r.name))
		return value_bad(v, "%s: bad name '%.100s'", kw->info.name, r.name);
	if (!rates_read(v, kw, v->argv + 1, v->argc - 1u, &r.rate))
		return false;
	*(struct conf_role_rate *)field = r;
	return true;
}

static void print_way(uint64_t rate, FILE *f)
{
	if (rate == 0)
		fputs("none", f);
	else
		fprintf(f, "%" PRIu64, rate);
}

static void print_rate(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_rate *r = field;

	(void)kw;
	print_way(r->in, f);
	if (r->in == r->out && r->burst == 0)
		return;
	fputc(' ', f);
	print_way(r->out, f);
	if (r->burst != 0)
		fprintf(f, " %" PRIu32, r->burst);
}

const struct value_type type_rate = {1, 3, false, parse_rate, print_rate, NULL};

static void print_role_rate(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_role_rate *r = field;

	if (r->name == NULL) {
		fputs("none", f);
		return;
	}
	value_print_arg(r->name, f);
	fputc(' ', f);
	print_rate(kw, &r->rate, f);
}

const struct value_type type_role_rate = {1, 4, false, parse_role_rate, print_role_rate, NULL};
