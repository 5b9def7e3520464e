/* control/ctl/pcapng.c - see pcapng.h. In host byte order, as the format has it. */
#include "control/ctl/pcapng.h"

#define SECTION          0x0a0d0d0au
#define BYTE_ORDER_MAGIC 0x1a2b3c4du
#define INTERFACE        1u
#define PACKET           6u
#define LINK_USER0       147u
/* Options: 16 bits of number, 16 of length. */
#define OPT_END      0u
#define OPT_FLAGS    (2u | 4u << 16)
#define OPT_TSRESOL  (9u | 1u << 16)
#define MICROSECONDS 6u
#define INBOUND      1u
#define OUTBOUND     2u

static void words(FILE *f, const uint32_t *w, size_t n)
{
	(void)fwrite(w, sizeof(*w), n, f);
}

void pcapng_begin(FILE *f, uint32_t snap)
{
	const uint32_t section[] = {SECTION, 28, BYTE_ORDER_MAGIC, 1, UINT32_MAX, UINT32_MAX, 28};
	const uint32_t interface[] = {INTERFACE,   32,           LINK_USER0, snap,
				      OPT_TSRESOL, MICROSECONDS, OPT_END,    32};

	words(f, section, sizeof(section) / sizeof(section[0]));
	words(f, interface, sizeof(interface) / sizeof(interface[0]));
}

void pcapng_packet(FILE *f, uint64_t at_us, bool in, const void *p, uint32_t n, uint32_t len)
{
	static const uint8_t pad[4];
	const uint32_t fill = (4 - n % 4) % 4, all = 32 + n + fill + 12;
	const uint32_t head[] = {PACKET, all, 0, (uint32_t)(at_us >> 32), (uint32_t)at_us, n, len};
	const uint32_t tail[] = {OPT_FLAGS, in ? INBOUND : OUTBOUND, OPT_END, all};

	words(f, head, sizeof(head) / sizeof(head[0]));
	(void)fwrite(p, 1, n, f);
	(void)fwrite(pad, 1, fill, f);
	words(f, tail, sizeof(tail) / sizeof(tail[0]));
}
