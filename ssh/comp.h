/*
 * ssh/comp.h - the streams of a compressed direction, by zlib, in memory of a known size.
 *
 * Source  RFC 4253 section 6.2, RFC 1950, RFC 1951; zlib@openssh.com: OpenSSH PROTOCOL.
 * Units   bytes.
 * Memory  the caller's, aligned as by malloc(): all zlib asks for lies in it, and a stream ends by
 *         being forgotten. What passed through a stream can be read in it: wipe it.
 *
 * A stream begins anew with each key. What is put in of one payload comes out as one payload.
 * A compressor may be given up at a byte's boundary, that is behind a payload that ended with
 * SSH_DEFLATE_SYNC, and begun again later with first false, or go on without one by stored blocks:
 * for the receiver all that is one stream.
 */
#ifndef SLUICE_SSH_COMP_H
#define SLUICE_SSH_COMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* With the headers, and with windows of 32 KiB: anything less a peer might not understand. */
#define SSH_INFLATE_MEM (48 * 1024)
#define SSH_DEFLATE_MEM (280 * 1024)

/* zlib@openssh.com begins behind USERAUTH_SUCCESS, zlib with the keys. */
enum ssh_comp { SSH_COMP_NONE, SSH_COMP_ZLIB, SSH_COMP_DELAYED };

/* -1: no such name. */
int ssh_comp_find(const char *name);
const char *ssh_comp_name(enum ssh_comp comp);
const char *ssh_comp_name_at(unsigned int i); /* NULL behind the last */

struct ssh_inflate;

/* NULL: not the zlib this was built for. */
struct ssh_inflate *ssh_inflate_start(void *mem);
/*
 * Takes bytes of *in, which advances, and writes at most room. 0 with *ret_out: of a payload
 * whose bytes were all taken, less than room means that it is whole. -SSH_E_COMP: what came is no
 * such stream, or it ends.
 */
int ssh_inflate_run(struct ssh_inflate *z, const uint8_t **in, size_t *n, uint8_t *out, size_t room,
		    size_t *ret_out) __attribute__((warn_unused_result));

struct ssh_deflate;

/* More of this payload follows; its end; its end, at a byte's boundary. */
enum ssh_deflate_how { SSH_DEFLATE_MORE, SSH_DEFLATE_PARTIAL, SSH_DEFLATE_SYNC };

/* first: nothing of the stream was sent yet. */
struct ssh_deflate *ssh_deflate_start(void *mem, bool first);
/* As ssh_inflate_run(); with an end it is called until *ret_out is less than room. */
int ssh_deflate_run(struct ssh_deflate *z, const uint8_t **in, size_t *n, enum ssh_deflate_how how,
		    uint8_t *out, size_t room, size_t *ret_out) __attribute__((warn_unused_result));

/* Without a compressor: what stands before at most SSH_STORED_MAX bytes as they are. */
#define SSH_STORED_MAX  65535
#define SSH_STORED_HEAD 7
size_t ssh_stored_head(bool first, uint16_t n, uint8_t ret[SSH_STORED_HEAD]);

#endif
