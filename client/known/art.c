/* client/known/art.c - see art.h. */
#include "client/known/art.h"

#include <stdio.h>
#include <string.h>

#define W 17
#define H 9

/* A line with a word in its middle. */
static size_t border(char *to, const char *word)
{
	static const char dashes[] = "-----------------";
	char label[W + 1];
	int len = snprintf(label, sizeof(label), "[%.*s]", W - 2, word);
	int left = (W - len) / 2;

	return (size_t)sprintf(to, "+%.*s%s%.*s+\n", left, dashes, label, W - len - left, dashes);
}

/*
 * The "drunken bishop": two bits a step move a piece over a board diagonally, walls are slid
 * along, and each square shows how often it was visited; S where it began, E where it stands.
 */
static void walk(const uint8_t *digest, size_t n, char board[H][W])
{
	static const char marks[] = " .o+=*BOX@%&#/^SE";
	const uint8_t most = sizeof(marks) - 4; /* of the marks for visits */
	uint8_t visits[H][W] = {{0}};
	int x = W / 2, y = H / 2;

	for (size_t i = 0; i < n * 4; i++) {
		unsigned int move = digest[i / 4] >> 2 * (i % 4) & 3;

		x += (move & 1) != 0 ? 1 : -1;
		y += (move & 2) != 0 ? 1 : -1;
		x = x < 0 ? 0 : x >= W ? W - 1 : x;
		y = y < 0 ? 0 : y >= H ? H - 1 : y;
		if (visits[y][x] < most)
			visits[y][x]++;
	}
	visits[H / 2][W / 2] = most + 1;
	visits[y][x] = most + 2;
	for (int row = 0; row < H; row++)
		for (int col = 0; col < W; col++)
			board[row][col] = marks[visits[row][col]];
}

const char *known_art(const struct key *k, enum hash_alg alg, char buf[KNOWN_ART_MAX])
{
	uint8_t digest[HASH_LEN_MAX];
	char board[H][W], head[64], name[256];
	struct hash_piece piece;
	size_t n;

	*buf = '\0';
	piece.p = key_blob(key_plain(k), &piece.len);
	if (hash_digest(alg, &piece, 1, digest) != 0 ||
	    key_fingerprint_as(k, alg, name, sizeof(name)) < 0)
		return buf;
	name[strcspn(name, ":")] = '\0';
	walk(digest, hash_len(alg), board);
	snprintf(head, sizeof(head), "%s %u", key_log_type(k), key_bits(k));
	n = border(buf, head);
	for (int row = 0; row < H; row++)
		n += (size_t)sprintf(buf + n, "|%.*s|\n", W, board[row]);
	border(buf + n, name);
	return buf;
}
