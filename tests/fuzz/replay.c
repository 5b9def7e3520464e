/*
 * tests/fuzz/replay.c - feeds every file of a corpus folder to a fuzz target.
 *
 * Also tries every prefix of each file, so that a small corpus already covers short reads.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX   (1 << 20)
#define PREFIX_MAX  2048 /* longer inputs are cut at powers of two as well */

/* A copy of exactly the input's size, so that a sanitizer sees a read past its end. */
static void feed(const uint8_t *p, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1);

	if (exact == NULL)
		abort();
	memcpy(exact, p, n);
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
}

static int replay(const char *path)
{
	static uint8_t buf[INPUT_MAX];
	FILE *f = fopen(path, "rb");
	size_t n;

	if (f == NULL) {
		perror(path);
		return -1;
	}
	n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	for (size_t i = 0; i < n; i = i < PREFIX_MAX ? i + 1 : i * 2)
		feed(buf, i);
	feed(buf, n);
	return 0;
}

int main(int argc, char **argv)
{
	unsigned int files = 0;

	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		struct dirent *e;

		if (d == NULL) {
			perror(argv[i]);
			return 1;
		}
		while ((e = readdir(d)) != NULL) {
			char path[4096];

			if (e->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], e->d_name);
			if (replay(path) < 0)
				return 1;
			files++;
		}
		closedir(d);
	}
	if (files == 0) {
		fprintf(stderr, "no corpus: a replay of nothing shows nothing\n");
		return 1;
	}
	printf("%u inputs replayed\n", files);
	return 0;
}
