/* crypto/keyfile/disk.h - reading a key file. Writing is in the contract: keyfile_write(). */
#ifndef SLUICE_CRYPTO_KEYFILE_DISK_H
#define SLUICE_CRYPTO_KEYFILE_DISK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The whole file in secret memory of its length: secret_free(). -EINVAL: no regular file;
 * -EFBIG: more than KEYFILE_MAX.
 */
int disk_read(const char *path, uint8_t **ret, size_t *ret_len, mode_t *ret_mode)
	__attribute__((warn_unused_result));

#endif
