/*
 * tests/util/runner.c - what every Criterion program takes the place of.
 *
 * Criterion starts libgit2, which shows how texts differ, and that reads each certificate of the
 * machine's trust store: once a program and once a test, as each test is a program of its own. With
 * sanitizers that is half of a short test's time. Nobody here asks it who is to be trusted.
 */

struct mbedtls_x509_crt;
int mbedtls_x509_crt_parse_file(struct mbedtls_x509_crt *chain, const char *path);

int mbedtls_x509_crt_parse_file(struct mbedtls_x509_crt *chain, const char *path)
{
	(void)chain;
	(void)path;
	return 0;
}
