/* client/config/algs.c - the algorithms this program has, by name. */
#include "client/config/config.h"
#include "crypto/cipher.h"
#include "crypto/kex.h"
#include "crypto/key.h"
#include "ssh/kexinit.h"

#define NAMES_MAX 4096

const struct conf_algs *config_algs(void)
{
	static char ciphers[NAMES_MAX], macs[NAMES_MAX], kex[NAMES_MAX], sigs[NAMES_MAX];
	static struct conf_algs algs = {
		.ciphers = {SSH_DEFAULT_CIPHERS, ciphers, NULL},
		.macs = {SSH_DEFAULT_MACS, macs, NULL},
		.kex = {SSH_DEFAULT_KEX, kex, NULL},
		.hostkey = {SSH_DEFAULT_HOSTKEY, sigs, NULL},
		.pubkey_accepted = {SSH_DEFAULT_PUBKEY, sigs, NULL},
		.ca_signature = {SSH_DEFAULT_CA_SIG, sigs, NULL},
	};

	if (*ciphers == '\0') {
		ssh_names_join(cipher_name_at, ciphers, sizeof(ciphers));
		ssh_names_join(cipher_mac_name_at, macs, sizeof(macs));
		ssh_names_join(kex_method_name_at, kex, sizeof(kex));
		ssh_names_join(key_sig_alg_at, sigs, sizeof(sigs));
	}
	return &algs;
}
