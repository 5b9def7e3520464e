/* ssh/forward.c - see forward.h. */
#include "ssh/forward.h"

#include "ssh/err.h"

static bool address_fits(struct ssh_str s)
{
	if (s.len > SSH_HOST_MAX)
		return false;
	for (uint32_t i = 0; i < s.len; i++) {
		if (s.p[i] < 0x20 || s.p[i] == 0x7f)
			return false;
	}
	return true;
}

/* RFC 4254 section 7.1. */
int ssh_tcpip_forward_parse(struct ssh_rd *r, struct ssh_tcpip_forward *ret)
{
	struct ssh_str address = ssh_rd_str(r);
	uint32_t port = ssh_rd_u32(r);

	if (!ssh_rd_done(r) || !address_fits(address) || port > UINT16_MAX)
		return -SSH_E_FORMAT;

	*ret = (struct ssh_tcpip_forward){address, (uint16_t)port};
	return 0;
}

void ssh_tcpip_forward_build(struct ssh_wr *w, const struct ssh_tcpip_forward *m)
{
	ssh_wr_str(w, m->address);
	ssh_wr_u32(w, m->port);
}

/* Section 7.2. */
int ssh_forwarded_tcpip_parse(struct ssh_rd *r, struct ssh_forwarded_tcpip *ret)
{
	struct ssh_str address = ssh_rd_str(r);
	uint32_t port = ssh_rd_u32(r);
	struct ssh_str originator = ssh_rd_str(r);
	uint32_t originator_port = ssh_rd_u32(r);

	if (!ssh_rd_done(r) || !address_fits(address) || !address_fits(originator) ||
	    port > UINT16_MAX || originator_port > UINT16_MAX)
		return -SSH_E_FORMAT;

	*ret = (struct ssh_forwarded_tcpip){address, (uint16_t)port, originator,
					    (uint16_t)originator_port};
	return 0;
}

void ssh_forwarded_tcpip_build(struct ssh_wr *w, const struct ssh_forwarded_tcpip *m)
{
	ssh_wr_str(w, m->address);
	ssh_wr_u32(w, m->port);
	ssh_wr_str(w, m->originator);
	ssh_wr_u32(w, m->originator_port);
}

int ssh_forward_epoch_parse(struct ssh_rd *r, uint64_t *ret)
{
	uint64_t epoch = ssh_rd_u64(r);

	if (!ssh_rd_done(r))
		return -SSH_E_FORMAT;

	*ret = epoch;
	return 0;
}

void ssh_forward_epoch_build(struct ssh_wr *w, uint64_t epoch)
{
	ssh_wr_u64(w, epoch);
}

/* Section 7.1: "uint32 port that was bound on the server". */
int ssh_forward_port_parse(struct ssh_rd *r, uint16_t *ret)
{
	uint32_t port = ssh_rd_u32(r);

	if (!ssh_rd_done(r) || port == 0 || port > UINT16_MAX)
		return -SSH_E_FORMAT;

	*ret = (uint16_t)port;
	return 0;
}

/* OpenSSH PROTOCOL section 2.4: a path, and of an OPEN a string that is reserved. */
static int path_parse(struct ssh_rd *r, bool open, struct ssh_str *ret)
{
	struct ssh_str path = ssh_rd_str(r);

	if (open)
		(void)ssh_rd_str(r);
	if (!ssh_rd_done(r) || path.len > SSH_HOST_MAX || !ssh_socket_path_ok(path))
		return -SSH_E_FORMAT;

	*ret = path;
	return 0;
}

int ssh_streamlocal_forward_parse(struct ssh_rd *r, struct ssh_str *ret_path)
{
	return path_parse(r, false, ret_path);
}

void ssh_streamlocal_forward_build(struct ssh_wr *w, struct ssh_str path)
{
	ssh_wr_str(w, path);
}

int ssh_forwarded_streamlocal_parse(struct ssh_rd *r, struct ssh_str *ret_path)
{
	return path_parse(r, true, ret_path);
}

void ssh_forwarded_streamlocal_build(struct ssh_wr *w, struct ssh_str path)
{
	ssh_wr_str(w, path);
	ssh_wr_cstr(w, "");
}

/* RFC 4254 section 6.3.2. */
int ssh_x11_open_parse(struct ssh_rd *r, struct ssh_x11_open *ret)
{
	struct ssh_str originator = ssh_rd_str(r);
	uint32_t originator_port = ssh_rd_u32(r);

	if (!ssh_rd_done(r) || !address_fits(originator) || originator_port > UINT16_MAX)
		return -SSH_E_FORMAT;

	*ret = (struct ssh_x11_open){originator, (uint16_t)originator_port};
	return 0;
}

void ssh_x11_open_build(struct ssh_wr *w, const struct ssh_x11_open *m)
{
	ssh_wr_str(w, m->originator);
	ssh_wr_u32(w, m->originator_port);
}
