/* client/keygen/x509.h - what a certificate says, as JSON. */
#ifndef SLUICE_CLIENT_KEYGEN_X509_H
#define SLUICE_CLIENT_KEYGEN_X509_H

#include <jansson.h>

#include "crypto/keyfile.h"

/* Sets members of o; what the certificate does not have is left out. */
void x509_describe(const struct keyfile_cert *cert, json_t *o);

#endif
