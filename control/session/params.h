/*
 * control/session/params.h - what a message says beyond its type, by name, for programs of the
 * operator's: sluice-hook(5) has the names. What is not understood, or malformed, has none.
 */
#ifndef SLUICE_CONTROL_SESSION_PARAMS_H
#define SLUICE_CONTROL_SESSION_PARAMS_H

#include "control/hook/request.h"

struct ssh_chan_open;
struct ssh_chan_request;
struct ssh_tty_size;

/* An object; NULL: no memory, and who is to have it is told nothing (hook_req_json()). */
json_t *params_of_open(const struct ssh_chan_open *m);
json_t *params_of_request(const struct ssh_chan_request *m);
void params_size(struct hook_req *r, const struct ssh_tty_size *z);

#endif
