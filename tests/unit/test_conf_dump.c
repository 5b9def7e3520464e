/* conf: what a configuration is, printed; the sample file and the table of keywords. */
#include "conf_bench.h"

static void same_again(const char *text, const struct conf_match_ctx *ctx)
{
	struct conf *conf = parse(text), *again;
	char *first = dump(conf, ctx), *second;

	again = parse(first);
	second = dump(again, NULL);
	cr_expect_str_eq(first, second, "%s", text);
	free(first);
	free(second);
	conf_put(conf);
	conf_put(again);
}

Test(conf_dump, dump_reads_as_itself)
{
	static const struct conf_match_ctx ctx = {
		.user = "alice", .addr = "10.0.0.1", .laddr = "10.0.0.2", .lport = 22};
	static const char *const texts[] = {
		"",
		TWO_PORTS "Route default via 198.18.0.1\nPort 1\nPort 2\n",
		"HostKey \"/a b\"\nHostKey '/c\"d\\\\'\nHostKey \"=x\"\nHostKey \"#\"\n",
		"HostKey /a format=pfx \"subject=CN=a, O=b\"\nHostKey /b passphrase-file=/c\n",
		"AllowUsers a b@10.0.0.0/8\nMatch User alice\nAllowUsers x\nAllowUsers y\n",
		"VersionAddendum \"x y\" z # w\nVersionString \"SSH-2.0-a b\"\n",
		"OperationTimeout 250ms\nMatch User alice\nOperationTimeout 5 opens\n",
		"IdleTimeout 1500ms\nOperationTimeout none\nRekeyLimit 9G 1h\nChannelWindow 64K\n",
		"RekeyLimit default 90m\nAuthorizedKeysFile none\nPermitOpen none\nMemory 1G\n",
		"Ciphers +3des-cbc\nKexAlgorithms -x*\nPermitOpen [::1]:* *:22\nLogLevel DEBUG\n",
		"KbdInteractivePrompt \"A b: \" echo\nKbdInteractivePrompt c noecho\nBanner \"/a "
		"b\"\n"
		"AuthenticationMethods publickey,password "
		"keyboard-interactive:pam\nAllowGroups a b*\nPermitRootLogin without-password\n",
		"ReceiveBuffer 65536\nMaxStartups 5\nStrictKex 3\nPasswordHashFile /a\\ b\n",
		"ListenAddress [::1]:22\nListenAddress 127.0.0.1\n",
		"ListenAddress ::1 rdomain vrf1\nListenAddress ::1 rdomain 'vrf#2'\n",
	};

	for (size_t i = 0; i < NELEM(texts); i++) {
		same_again(texts[i], NULL);
		same_again(texts[i], &ctx);
	}
}

Test(conf_dump, dump_is_lower_case_keyword_and_value)
{
	struct conf *conf = parse("Match User alice\nMaxAuthTries 2\n");
	struct conf_match_ctx ctx = {.user = "alice"};
	char *text = dump(conf, &ctx);

	cr_expect_not_null(strstr(text, "\nmaxauthtries 2\n"));
	cr_expect_not_null(strstr(text, "dataplane dp0\n"));
	cr_expect_not_null(strstr(text, "\nlogingracetime 120\n"));
	free(text);
	text = dump(conf, NULL);
	cr_expect_not_null(strstr(text, "\nmaxauthtries 6\n"));
	free(text);
	conf_put(conf);
}

/* --- the sample and the table
 * -------------------------------------------------------------------------------- */

static char *sample_read(void)
{
	char *text = calloc(1, CONF_FILE_MAX);
	FILE *f = fopen(SAMPLE, "r");

	cr_assert_not_null(f, "%s", SAMPLE);
	cr_assert_gt(fread(text, 1, CONF_FILE_MAX - 1, f), 0);
	fclose(f);
	return text;
}

/* Takes the '#' from lines that are "#Keyword …": those show a default. */
static void sample_uncomment(char *text)
{
	char *to = text;

	for (const char *p = text; *p != '\0'; p++) {
		bool line_start = p == text || p[-1] == '\n';

		if (line_start && p[0] == '#' && p[1] >= 'A' && p[1] <= 'Z')
			p++;
		*to++ = *p;
	}
	*to = '\0';
}

Test(conf_dump, sample_loads_as_it_is)
{
	struct conf *conf = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_load(SAMPLE, NULL, &conf, &errors), 0, "%s", errors);
	conf_put(conf);
}

static const char *penalties_shown(const char *text)
{
	static char line[512];
	struct conf *conf = parse(text);
	char *all = dump(conf, NULL), *at = strstr(all, "\npersourcepenalties ");

	cr_assert_not_null(at);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at + 1, "\n"), at + 1);
	free(all);
	conf_put(conf);
	return line;
}

/* As sshd -T shows them. */
Test(conf_dump, penalties_are_shown_whole)
{
	cr_expect_str_eq(penalties_shown(""),
			 "persourcepenalties crash:90 authfail:5 invaliduser:5 noauth:1 "
			 "grace-exceeded:10 refuseconnection:10 max:600 min:15 max-sources4:65536 "
			 "max-sources6:65536 overflow:permissive overflow6:permissive");
	cr_expect_str_eq(penalties_shown("PerSourcePenalties no"), "persourcepenalties no");
	cr_expect_str_eq(penalties_shown("PerSourcePenalties crash:2m noauth:0.25s min:1.5 "
					 "max-sources6:7 overflow:deny-all"),
			 "persourcepenalties crash:120 authfail:5 invaliduser:5 noauth:250ms "
			 "grace-exceeded:10 refuseconnection:10 max:600 min:1500ms "
			 "max-sources4:65536 max-sources6:7 overflow:deny-all overflow6:deny-all");
	cr_expect_str_eq(penalties_shown("PerSourcePenalties overflow:deny-all "
					 "overflow6:permissive") +
				 strlen("persourcepenalties crash:90 authfail:5 invaliduser:5 "
					"noauth:1 grace-exceeded:10 refuseconnection:10 max:600 "
					"min:15 max-sources4:65536 max-sources6:65536 "),
			 "overflow:deny-all overflow6:permissive");
}

Test(conf_dump, sample_shows_the_defaults)
{
	char *text = sample_read(), *got, *want;
	struct conf *as_is = NULL, *shown = NULL;
	char *errors = NULL;

	cr_assert_eq(conf_parse("sample", text, strlen(text), NULL, &as_is, &errors), 0, "%s",
		     errors);
	sample_uncomment(text);
	cr_assert_eq(conf_parse("sample", text, strlen(text), NULL, &shown, &errors), 0, "%s",
		     errors);
	got = dump(shown, NULL);
	want = dump(as_is, NULL);
	cr_expect_str_eq(got, want);
	free(got);
	free(want);
	free(text);
	conf_put(as_is);
	conf_put(shown);
}

Test(conf_dump, sample_has_every_keyword_and_default)
{
	char *text = sample_read();

	for (size_t i = 0; conf_keyword_at(i) != NULL; i++) {
		const struct conf_keyword_info *k = conf_keyword_at(i);
		char line[256];

		if (k->dflt != NULL && strcmp(k->name, "VersionString") != 0)
			snprintf(line, sizeof(line), "\n#%s %s\n", k->name, k->dflt);
		else
			snprintf(line, sizeof(line), "%s ", k->name);
		cr_expect_not_null(strstr(text, line), "no \"%s\"", line);
	}
	free(text);
}

Test(conf_dump, table_is_complete)
{
	size_t n = 0;

	for (; conf_keyword_at(n) != NULL; n++) {
		const struct conf_keyword_info *k = conf_keyword_at(n);

		cr_expect(k->name != NULL && k->value != NULL && k->help != NULL && k->owner != 0,
			  "row %zu", n);
		for (size_t i = 0; i < n; i++)
			cr_expect_str_neq(conf_keyword_at(i)->name, k->name);
	}
	cr_expect_gt(n, 50);
}
