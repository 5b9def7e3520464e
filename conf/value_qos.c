/*
 * conf/value_qos.c - values of IPQoS, and conf/qos.h.
 */
#include <stdlib.h>
#include <string.h>

#include "conf/internal.h"
#include "conf/qos.h"

static const struct {
	const char *name;
	uint16_t qos;
} classes[] = {
	{"af11", 0x28},
	{"af12", 0x30},
	{"af13", 0x38},
	{"af21", 0x48},
	{"af22", 0x50},
	{"af23", 0x58},
	{"af31", 0x68},
	{"af32", 0x70},
	{"af33", 0x78},
	{"af41", 0x88},
	{"af42", 0x90},
	{"af43", 0x98},
	{"cs0", 0x00},
	{"cs1", 0x20},
	{"cs2", 0x40},
	{"cs3", 0x60},
	{"cs4", 0x80},
	{"cs5", 0xa0},
	{"cs6", 0xc0},
	{"cs7", 0xe0},
	{"ef", 0xb8},
	{"le", 0x04},
	{"none", CONF_QOS_NONE},
	/* of RFC 1349; they are classes of no name by now */
	{"lowdelay", 0x10},
	{"throughput", 0x08},
	{"reliability", 0x04},
};
#define N_CLASSES (sizeof(classes) / sizeof(classes[0]))

bool conf_qos_read(const char *text, uint16_t *ret)
{
	unsigned long n;
	char *end;

	for (size_t i = 0; i < N_CLASSES; i++) {
		if (strcasecmp(text, classes[i].name) != 0)
			continue;
		*ret = classes[i].qos;
		return true;
	}
	if (*text < '0' || *text > '9')
		return false;
	n = strtoul(text, &end, 0);
	if (*end != '\0' || n > UINT8_MAX)
		return false;
	*ret = (uint16_t)n;
	return true;
}

const char *conf_qos_name(uint16_t qos)
{
	for (size_t i = 0; i < N_CLASSES; i++)
		if (classes[i].qos == qos)
			return classes[i].name;
	return NULL;
}

/* One for both, or the interactive one first. */
static bool parse_qos(struct value *v, const struct kw *kw, void *field)
{
	struct conf_qos q;

	for (unsigned int i = 0; i < v->argc; i++)
		if (!conf_qos_read(v->argv[i], i == 0 ? &q.interactive : &q.bulk))
			return value_bad(v, "Bad %s value: %.100s", kw->info.name, v->argv[i]);
	if (v->argc == 1)
		q.bulk = q.interactive;
	*(struct conf_qos *)field = q;
	return true;
}

static void print_one(uint16_t qos, FILE *f)
{
	const char *name = conf_qos_name(qos);

	if (name != NULL)
		fputs(name, f);
	else
		fprintf(f, "0x%02x", qos);
}

static void print_qos(const struct kw *kw, const void *field, FILE *f)
{
	const struct conf_qos *q = field;

	(void)kw;
	print_one(q->interactive, f);
	fputc(' ', f);
	print_one(q->bulk, f);
}

const struct value_type type_qos = {1, 2, false, parse_qos, print_qos, NULL};
