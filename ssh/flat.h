/*
 * ssh/flat.h - records in one flat buffer: bytes in, payloads out, and back.
 *
 * For whoever carries records over kernel sockets or in memory: the client library,
 * the tests' in-process peers. The shard has its own carrier over mbufs; both ask
 * ssh/record.h for every rule.
 * Memory  ssh_flat owns growing buffers; a payload handed out is valid until the next call.
 */
#ifndef SLUICE_SSH_FLAT_H
#define SLUICE_SSH_FLAT_H

#include "ssh/comp.h"
#include "ssh/msg.h"
#include "ssh/record.h"

struct ssh_flat {
	struct ssh_dir rx, tx;
	struct cipher_engine *engine; /* borrowed */
	uint8_t *in, *out;
	size_t in_len, in_off, in_size, out_len, out_off, out_size;
	int dead; /* the error that ended receiving; nothing is read after it */
	struct ssh_inflate *inflate;
	struct ssh_deflate *deflate;
	uint8_t *plain, *packed; /* a payload beside each */
};

int ssh_flat_init(struct ssh_flat *f, struct cipher_engine *engine);
void ssh_flat_fini(struct ssh_flat *f);

/*
 * Begins a new compressed stream with the next payload, or ends with compression. 0 or -ENOMEM.
 */
int ssh_flat_inflate(struct ssh_flat *f, bool on);
int ssh_flat_deflate(struct ssh_flat *f, bool on);
/*
 * A payload through the stream: *p and *len become the other form, in memory of f's. A plain one is
 * never longer than rx.packet_max (S-42). 0 or -SSH_E_COMP.
 */
int ssh_flat_unpack(struct ssh_flat *f, const uint8_t **p, size_t *len);
int ssh_flat_pack(struct ssh_flat *f, const uint8_t **p, size_t *len);

/* Bytes from the peer. 0 or -ENOMEM. */
int ssh_flat_feed(struct ssh_flat *f, const void *p, size_t len);
/*
 * Before the first record: one line without its end and without a NUL, as ssh_ident_line()
 * takes it in our role. -EAGAIN, -SSH_E_IDENT.
 */
int ssh_flat_line(struct ssh_flat *f, enum ssh_role we_are, const char **ret, size_t *ret_len);
/* The next payload and its sequence number; -EAGAIN, or an error that ends the connection. */
int ssh_flat_next(struct ssh_flat *f, const uint8_t **ret, size_t *ret_len, uint32_t *ret_seqnr);

/* Queues raw bytes (identification) or a sealed record to out. */
int ssh_flat_raw(struct ssh_flat *f, const void *p, size_t len);
int ssh_flat_send(struct ssh_flat *f, const void *payload, size_t len);
/* What is to be written; ssh_flat_sent() says how much was. */
const uint8_t *ssh_flat_out(const struct ssh_flat *f, size_t *ret_len);
void ssh_flat_sent(struct ssh_flat *f, size_t n);

#endif
