/*
 * tests/fuzz/replay.c - `--replay FOLDER...` feeds every file of a corpus to a fuzz target.
 *
 * Also tries every prefix of each file, so that a small corpus already covers short reads. What
 * an explorer found is many files and has short ones among them: there powers of two will do.
 */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX  (1 << 20)
#define PREFIX_MAX 2048 /* longer inputs are cut at powers of two as well */
#define FILES_MAX  50   /* and so are the inputs of a larger corpus */

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

static int replay(const char *path, size_t prefix_max)
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
	for (size_t i = 0; i < n; i = i < prefix_max ? i + 1 : i * 2)
		feed(buf, i);
	feed(buf, n);
	return 0;
}

static unsigned int count(DIR *d)
{
	unsigned int n = 0;

	for (struct dirent *e; (e = readdir(d)) != NULL;)
		n += e->d_name[0] != '.';
	rewinddir(d);
	return n;
}

static int replay_folder(const char *folder, unsigned int *files)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	size_t prefix_max;
	int r = 0;

	if (d == NULL) {
		perror(folder);
		return -1;
	}
	prefix_max = count(d) > FILES_MAX ? 1 : PREFIX_MAX;
	while (r == 0 && (e = readdir(d)) != NULL) {
		char path[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		r = replay(path, prefix_max);
		++*files;
	}
	closedir(d);
	return r;
}

static int replay_all(int argc, char **argv)
{
	unsigned int files = 0;

	for (int i = 2; i < argc; i++)
		if (replay_folder(argv[i], &files) < 0)
			return 1;
	if (files == 0) {
		fprintf(stderr, "no corpus: a replay of nothing shows nothing\n");
		return 1;
	}
	printf("%u inputs replayed\n", files);
	return 0;
}

static bool is_replay(int argc, char **argv)
{
	return argc > 2 && strcmp(argv[1], "--replay") == 0;
}

#ifdef FUZZ_EXPLORES
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* libFuzzer's main() asks here first: a replay never comes back to it. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	if (is_replay(*argc, *argv))
		exit(replay_all(*argc, *argv));
	return 0;
}
#else
int main(int argc, char **argv)
{
	if (!is_replay(argc, argv)) {
		fprintf(stderr, "%s --replay FOLDER...\n", argv[0]);
		return 2;
	}
	return replay_all(argc, argv);
}
#endif
