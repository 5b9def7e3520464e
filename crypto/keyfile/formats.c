/* crypto/keyfile/formats.c - the table of formats: names, numbers, what writes each. */
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "crypto/keyfile/internal.h"

static const struct {
	const char *name;
	kf_build *private, *public;
} formats[KEYFILE_FORMATS] = {
	[KEYFILE_AUTO] = {"auto", NULL, NULL},
	[KEYFILE_OPENSSH] = {"openssh", kf_openssh_build, kf_line_build},
	[KEYFILE_PEM] = {"pem", kf_pem_build, kf_pkcs1_public_build},
	[KEYFILE_PKCS8] = {"pkcs8", kf_pkcs8_build, kf_spki_build},
	[KEYFILE_PFX] = {"pfx", kf_pfx_build, NULL},
	[KEYFILE_PPK] = {"ppk", kf_ppk_build, NULL},
	[KEYFILE_JWK] = {"jwk", kf_jwk_build, kf_jwk_build},
	[KEYFILE_XML] = {"xml", kf_xml_build, kf_xml_build},
	[KEYFILE_PKCS11] = {"pkcs11", NULL, NULL},
	[KEYFILE_RFC4716] = {"rfc4716", NULL, kf_rfc4716_build},
	[KEYFILE_X509] = {"x509", NULL, NULL},
	[KEYFILE_P7B] = {"p7b", NULL, NULL},
};

/* The numbers by which other products name formats: a file, and the same in memory. */
static const struct {
	unsigned char file, blob;
	enum keyfile_format format;
} numbers[] = {
	{2, 3, KEYFILE_PFX},       {6, 7, KEYFILE_PEM},   {8, 9, KEYFILE_PEM},
	{13, 10, KEYFILE_OPENSSH}, {11, 12, KEYFILE_P7B}, {14, 15, KEYFILE_PPK},
	{16, 17, KEYFILE_XML},     {18, 19, KEYFILE_JWK}, {20, 23, KEYFILE_PKCS11},
	{99, 99, KEYFILE_AUTO},
};

static const struct {
	unsigned char number;
	const char *instead;
} foreign[] = {
	{0, "a store of Windows: name a file, a token or an agent"},
	{1, "a store of Windows: name a file, a token or an agent"},
	{4, KF_JKS_INSTEAD},
	{5, KF_JKS_INSTEAD},
	{21, "a key store of Bouncy Castle: convert it to PKCS#12"},
	{22, "a key store of Bouncy Castle: convert it to PKCS#12"},
};

static bool number_read(const char *name, unsigned long *ret)
{
	char *end;

	if (name[0] < '0' || name[0] > '9')
		return false;
	*ret = strtoul(name, &end, 10);
	return *end == '\0';
}

const char *keyfile_format_instead(const char *name)
{
	unsigned long number;

	if (!number_read(name, &number))
		return NULL;
	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++)
		if (number == foreign[i].number)
			return foreign[i].instead;
	return NULL;
}

int keyfile_format_find(const char *name, enum keyfile_format *ret)
{
	unsigned long number;

	for (int i = 0; i < KEYFILE_FORMATS; i++)
		if (strcasecmp(name, formats[i].name) == 0) {
			*ret = (enum keyfile_format)i;
			return 0;
		}
	if (!number_read(name, &number))
		return -EINVAL;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if (number == numbers[i].file || number == numbers[i].blob) {
			*ret = numbers[i].format;
			return 0;
		}
	return keyfile_format_instead(name) != NULL ? -EMEDIUMTYPE : -EINVAL;
}

const char *keyfile_format_name(enum keyfile_format f)
{
	return formats[f].name;
}

kf_build *kf_builder(enum keyfile_format f, bool private)
{
	return private ? formats[f].private : formats[f].public;
}
