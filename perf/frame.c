/* perf/frame.c - see frame.h. */
#include "perf/frame.h"

#include <stddef.h>

#define ETHER_LEN 14
#define IP4_LEN   20
#define IP6_LEN   40
#define TCP_LEN   20
#define TCP_CKSUM 16 /* offset of the checksum */
#define PROTO_TCP 6
#define ECN_MASK  3
#define ECN_CE    3

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

/* RFC 1624 equation 3: the checksum once a word it covers has changed. */
static void cksum_update(uint8_t *cksum, uint16_t was, uint16_t is)
{
	uint32_t sum = (uint16_t)~get16(cksum) + (uint32_t)(uint16_t)~was + is;

	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(cksum, (uint16_t)~sum);
}

/* Where the TCP header begins, and where the packet ends; NULL: no TCP. */
static uint8_t *tcp_of(uint8_t *b, uint32_t len, uint8_t **ret_end)
{
	uint8_t *ip = b + ETHER_LEN, *tcp;
	uint32_t total;

	if (len >= ETHER_LEN + IP4_LEN && get16(b + 12) == 0x0800 && ip[0] >> 4 == 4 &&
	    ip[9] == PROTO_TCP) {
		tcp = ip + (ip[0] & 15) * 4;
		total = get16(ip + 2);
	} else if (len >= ETHER_LEN + IP6_LEN && get16(b + 12) == 0x86dd && ip[6] == PROTO_TCP) {
		tcp = ip + IP6_LEN;
		total = IP6_LEN + get16(ip + 4);
	} else {
		return NULL;
	}
	if (total > len - ETHER_LEN || (tcp - ip) + TCP_LEN > (ptrdiff_t)total)
		return NULL;
	*ret_end = ip + total;
	return tcp;
}

bool frame_is_tcp(const uint8_t *b, uint32_t len)
{
	uint8_t *end;

	return tcp_of((uint8_t *)(uintptr_t)b, len, &end) != NULL;
}

bool frame_mark(uint8_t *b, uint32_t len)
{
	uint8_t *ip = b + ETHER_LEN, *end;
	uint16_t was;

	if (tcp_of(b, len, &end) == NULL)
		return false;
	if (ip[0] >> 4 == 6) { /* the traffic class lies across two bytes; no checksum */
		if (((ip[1] >> 4) & ECN_MASK) == 0)
			return false;
		ip[1] |= ECN_CE << 4;
		return true;
	}
	if ((ip[1] & ECN_MASK) == 0)
		return false;
	was = get16(ip);
	ip[1] |= ECN_CE;
	cksum_update(ip + 10, was, get16(ip));
	return true;
}

bool frame_corrupt(uint8_t *b, uint32_t len, uint32_t at, bool right)
{
	uint8_t *end, *tcp = tcp_of(b, len, &end), *data, *word;
	uint32_t n;
	uint16_t was;

	if (tcp == NULL)
		return false;
	data = tcp + (tcp[12] >> 4) * 4;
	if (data >= end)
		return false;
	n = (uint32_t)(end - data);
	data += at % n;
	word = tcp + ((data - tcp) & ~1);
	if (word + 1 == end) /* half a word: left alone */
		return false;
	was = get16(word);
	*data ^= (uint8_t)(1u << (at / n % 8));
	if (right)
		cksum_update(tcp + TCP_CKSUM, was, get16(word));
	return true;
}
