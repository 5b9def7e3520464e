#include "control/policy/addr.h"

#include <arpa/inet.h>
#include <string.h>

static size_t addr_len(const struct link_addr *a)
{
	return a->family == 4 ? 4 : 16;
}

bool addr_parse(const char *text, struct link_addr *ret)
{
	struct link_addr a = {0};

	if (inet_pton(AF_INET, text, a.addr) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, text, a.addr) == 1)
		a.family = 6;
	else
		return false;
	addr_unmap(&a);
	*ret = a;
	return true;
}

const char *addr_text(const struct link_addr *a, char buf[ADDR_TEXT_MAX])
{
	if (inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->addr, buf, ADDR_TEXT_MAX) == NULL)
		strcpy(buf, "UNKNOWN");
	return buf;
}

bool addr_equal(const struct link_addr *a, const struct link_addr *b)
{
	return a->family == b->family && memcmp(a->addr, b->addr, addr_len(a)) == 0;
}

void addr_unmap(struct link_addr *a)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	if (a->family != 6 || memcmp(a->addr, mapped, sizeof(mapped)) != 0)
		return;
	memmove(a->addr, a->addr + 12, 4);
	memset(a->addr + 4, 0, 12);
	a->family = 4;
}

struct prefix {
	uint8_t family, len;
	uint8_t addr[16];
};

static bool prefix_has(const struct prefix *p, const struct link_addr *a)
{
	unsigned int bytes = p->len / 8, bits = p->len % 8;

	if (p->family != a->family || memcmp(p->addr, a->addr, bytes) != 0)
		return false;
	return bits == 0 || (p->addr[bytes] ^ a->addr[bytes]) >> (8 - bits) == 0;
}

/*
 * The IPv4 address that a packet to this one ends at, by way of a translator (64:ff9b::/96, RFC
 * 6052 section 2.1) or a tunnel (2002::/16, RFC 3056 section 2), and behind how many bits it
 * stands. False: there is none.
 */
static bool embedded4(const struct link_addr *a, struct link_addr *ret, unsigned int *ret_bits)
{
	static const struct prefix in[] = {{6, 96, {0, 0x64, 0xff, 0x9b}}, {6, 16, {0x20, 0x02}}};

	for (size_t i = 0; i < sizeof(in) / sizeof(in[0]); i++) {
		if (!prefix_has(&in[i], a))
			continue;
		*ret = (struct link_addr){.family = 4};
		memcpy(ret->addr, a->addr + in[i].len / 8, 4);
		*ret_bits = in[i].len;
		return true;
	}
	return false;
}

/* Of the smallest of them that has it. */
static unsigned int special_len(const struct link_addr *a)
{
	static const struct prefix special[] = {
		{4, 8, {0}},                   /* this network, unspecified */
		{4, 8, {127}},                 /* loopback */
		{4, 16, {169, 254}},           /* link-local */
		{4, 4, {224}},                 /* multicast */
		{4, 4, {240}},                 /* reserved, broadcast */
		{4, 32, {169, 254, 169, 254}}, /* metadata and agents of clouds: most of them, */
		{4, 32, {169, 254, 170, 2}},   /* what runs in containers */
		{4, 32, {169, 254, 170, 23}},  /* of EC2, */
		{4, 32, {100, 100, 100, 200}}, /* Alibaba, */
		{4, 32, {168, 63, 129, 16}},   /* Azure, */
		{4, 32, {192, 0, 0, 192}},     /* Oracle */
		{6, 96, {0}},                  /* v4-compatible */
		{6, 128, {0}},                 /* unspecified */
		{6, 128, {[15] = 1}},          /* loopback */
		{6, 10, {0xfe, 0x80}},         /* link-local */
		{6, 8, {0xff}},                /* multicast */
		{6, 128, {0xfd, 0, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}}, /* EC2, */
		{6, 128, {0xfd, 0, 0x0e, 0xc2, [15] = 0x23}},              /* and its containers, */
		{6, 128, {0xfd, 0x20, 0, 0xce, [14] = 0x02, [15] = 0x54}}, /* Google */
	};
	unsigned int len = 0;

	for (size_t i = 0; i < sizeof(special) / sizeof(special[0]); i++)
		if (special[i].len > len && prefix_has(&special[i], a))
			len = special[i].len;
	return len;
}

static unsigned int named_by(const struct link_addr *a, const struct link_addr *own, size_t n_own)
{
	if (a->family != 4 && a->family != 6)
		return UINT8_MAX; /* longer than any network */
	return addr_is_one_of(a, own, n_own) ? (unsigned int)addr_len(a) * 8 : special_len(a);
}

unsigned int addr_named_by(const struct link_addr *addr, const struct link_addr *own, size_t n_own)
{
	struct link_addr a = *addr, within;
	unsigned int len, bits, leads;

	addr_unmap(&a);
	len = named_by(&a, own, n_own);
	if (!embedded4(&a, &within, &bits))
		return len;
	leads = named_by(&within, own, n_own);
	return leads > 0 && leads + bits > len ? leads + bits : len;
}

bool addr_is_special(const struct link_addr *a)
{
	return addr_named_by(a, NULL, 0) > 0;
}

bool addr_is_loopback(const struct link_addr *addr)
{
	static const struct link_addr loopback6 = {.family = 6, .addr = {[15] = 1}};
	struct link_addr a = *addr;

	addr_unmap(&a);
	return a.family == 4 ? a.addr[0] == 127 : addr_equal(&a, &loopback6);
}

bool addr_is_localhost(const struct link_addr *a)
{
	static const struct link_addr localhost[] = {{.family = 4, .addr = {127, 0, 0, 1}},
						     {.family = 6, .addr = {[15] = 1}}};

	return addr_is_one_of(a, localhost, 2);
}

bool addr_is_one_of(const struct link_addr *addr, const struct link_addr *set, size_t n)
{
	struct link_addr a = *addr;

	addr_unmap(&a);
	for (size_t i = 0; i < n; i++)
		if (addr_equal(&a, &set[i]))
			return true;
	return false;
}

bool addr_leads_to_one_of(const struct link_addr *addr, const struct link_addr *set, size_t n)
{
	struct link_addr within;
	unsigned int bits;

	return addr_is_one_of(addr, set, n) ||
	       (embedded4(addr, &within, &bits) && addr_is_one_of(&within, set, n));
}

/* RFC 6724 section 2.1; the longest prefix first. */
static const struct {
	struct prefix prefix;
	uint8_t precedence, label;
} policy_table[] = {
	{{4, 0, {0}}, 35, 4},    {{6, 32, {0x20, 0x01}}, 5, 5}, {{6, 16, {0x20, 0x02}}, 30, 2},
	{{6, 7, {0xfc}}, 3, 13}, {{6, 0, {0}}, 40, 1},
};
#define POLICY_ROWS (sizeof(policy_table) / sizeof(policy_table[0]))

static size_t policy_row(const struct link_addr *a)
{
	size_t i = 0;

	while (i < POLICY_ROWS - 1 && !prefix_has(&policy_table[i].prefix, a))
		i++;
	return i;
}

/* The smaller, the sooner. */
static unsigned int rank(const struct link_addr *a, const struct link_addr *own, size_t n_own)
{
	size_t row = policy_row(a);
	bool family = n_own == 0, label = n_own == 0;

	for (size_t i = 0; i < n_own; i++) {
		family |= own[i].family == a->family;
		label |= policy_table[policy_row(&own[i])].label == policy_table[row].label;
	}
	return (family ? 0 : 1000) + (label ? 0 : 100) + (100 - policy_table[row].precedence);
}

/* Brings the first address of the other family than a[i - 1]'s to place i. */
static void alternate(struct link_addr *a, size_t i, size_t n)
{
	for (size_t j = i; j < n; j++) {
		struct link_addr got = a[j];

		if (got.family == a[i - 1].family)
			continue;
		memmove(&a[i + 1], &a[i], (j - i) * sizeof(*a));
		a[i] = got;
		return;
	}
}

void addr_sort(struct link_addr *a, size_t n, const struct link_addr *own, size_t n_own)
{
	for (size_t i = 1; i < n; i++) { /* few: insertion, which is stable */
		struct link_addr x = a[i];
		size_t j = i;

		while (j > 0 && rank(&a[j - 1], own, n_own) > rank(&x, own, n_own)) {
			a[j] = a[j - 1];
			j--;
		}
		a[j] = x;
	}
	for (size_t i = 1; i < n; i++)
		alternate(a, i, n);
}
