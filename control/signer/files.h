/*
 * control/signer/files.h - keys of files that are named while the signer runs, as long as somebody
 * uses them; struct signer's, which has the words of what they are (signer.h).
 *
 * Files are read and decrypted on the pool, a few at a time (SIGNER_LOADS_MAX wait), so that the
 * other threads go on signing. What is known of a file is its name with all that HostKey says
 * beside it, and which file that was: device, number, size, times.
 * Thread  the loop's.
 */
#ifndef SLUICE_CONTROL_SIGNER_FILES_H
#define SLUICE_CONTROL_SIGNER_FILES_H

#include "control/signer.h"

struct signer_files;
struct file_key;

int signer_files_new(struct pool *pool, struct key_folders *folders, struct signer_files **ret)
	__attribute__((warn_unused_result));
void signer_files_free(struct signer_files *f); /* NULL is fine; wipes; no load may be open */

int signer_files_open(struct signer_files *f, const struct host_file *file, uint64_t deadline_ms,
		      const struct signer_caller *caller, signer_opened *done)
	__attribute__((warn_unused_result));
void signer_files_let_go(struct signer_files *f, const uint8_t print[32], unsigned int holder);
void signer_files_let_go_all(struct signer_files *f, unsigned int holder);

/* NULL: it is not loaded. */
struct file_key *signer_files_find(struct signer_files *f, const uint8_t print[32]);
void file_key_hold(struct file_key *k, unsigned int holder);
const struct key *file_key_public(const struct file_key *k);
/* As long as it is in use its key stays. */
const struct key *file_key_use(struct file_key *k);
void file_key_unuse(struct file_key *k);

#endif
