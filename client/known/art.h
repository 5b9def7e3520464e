/* client/known/art.h - a key's fingerprint as a picture, which a person may know again. */
#ifndef SLUICE_CLIENT_KNOWN_ART_H
#define SLUICE_CLIENT_KNOWN_ART_H

#include "crypto/hash.h"
#include "crypto/key.h"

#define KNOWN_ART_MAX 256

/* Lines as ssh-keygen -lv has them; "" where there is no such fingerprint. Returns buf. */
const char *known_art(const struct key *k, enum hash_alg alg, char buf[KNOWN_ART_MAX]);

#endif
