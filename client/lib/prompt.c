/*
 * client/lib/prompt.c - patterns of prompts: "?", "*", sets "[0-9,a-d,f]", and a backslash that
 * takes the next character as it is. "[?]", "[*]", "[[]" and "[\\]" are those characters.
 */
#include <string.h>

#include "client/lib/internal.h"

/* A set behind its '['. NULL: it has no end. *ret_in: is ch in it? */
static const char *set_match(const char *p, unsigned char ch, bool *ret_in)
{
	const char *end = p + (*p != '\0'); /* its first character may be ']' */

	*ret_in = false;
	end = strchr(end, ']');
	if (end == NULL)
		return NULL;
	while (p < end) {
		unsigned char from = (unsigned char)*p, to = from;

		if (from == ',' && p + 1 < end) {
			p++;
			continue;
		}
		if (p + 2 < end && p[1] == '-') {
			to = (unsigned char)p[2];
			p += 2;
		}
		*ret_in |= ch >= from && ch <= to;
		p++;
	}
	return end + 1;
}

/* What is behind the pattern's first element, which is no '*', when it matches ch; NULL: it does
 * not. */
static const char *one_match(const char *p, char ch)
{
	bool in;

	if (*p == '?')
		return p + 1;
	if (*p == '[') {
		const char *next = set_match(p + 1, (unsigned char)ch, &in);

		if (next != NULL)
			return in ? next : NULL;
	}
	if (*p == '\\' && p[1] != '\0')
		p++;
	return *p == ch ? p + 1 : NULL;
}

/* Each '*' forgets the one before it: time is at most the product of both lengths. */
bool prompt_matches(const char *pattern, const char *text)
{
	const char *star = NULL, *retry = NULL, *next;

	for (;;) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = text;
			continue;
		}
		if (*text == '\0')
			return *pattern == '\0';
		next = *pattern != '\0' ? one_match(pattern, *text) : NULL;
		if (next != NULL) {
			pattern = next;
			text++;
		} else if (star != NULL) {
			pattern = star;
			text = ++retry;
		} else {
			return false;
		}
	}
}
