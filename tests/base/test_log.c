// SPDX-License-Identifier: Apache-2.0
/* Lines are caught by putting a file in the place of stderr. */
#include "base/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/base/suite.h"

static char text[8192];
static int saved;
static FILE *file;

static void catch_begin(void)
{
    fflush(stderr);
    file = tmpfile();
    ck_assert_ptr_nonnull(file);
    saved = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(fileno(file), STDERR_FILENO), 0);
}

static void catch_end_in(char *at, size_t size)
{
    fflush(stderr);
    ck_assert_int_ge(dup2(saved, STDERR_FILENO), 0);
    close(saved);
    rewind(file);
    size_t n = fread(at, 1, size - 1, file);
    at[n] = 0;
    fclose(file);
}

static const char *catch_end(void)
{
    catch_end_in(text, sizeof(text));
    return text;
}

START_TEST(a_line_has_time_level_id_and_text)
{
    catch_begin();
    log_event(LOG_CONN_REFUSED, "peer=%s n=%d", "me", 3);
    const char *line = catch_end();
    int year;
    char rest[64];
    ck_assert_int_eq(sscanf(line, "%d-%*d-%*dT%*d:%*d:%*d.%*dZ %63[^\n]", &year, rest), 2);
    ck_assert_int_ge(year, 2024);
    ck_assert_str_eq(rest, "warn LOG_CONN_REFUSED peer=me n=3");
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
}
END_TEST

START_TEST(only_lines_up_to_the_level_are_written)
{
    catch_begin();
    log_event(LOG_CONN_OPENED, "debug=1");
    log_set_level(LOG_LEVEL_DEBUG);
    log_event(LOG_CONN_OPENED, "debug=2");
    log_set_level(LOG_LEVEL_ERROR);
    log_event(LOG_CONN_REFUSED, "warn=3");
    log_event(LOG_START_FAILED, "error=4");
    const char *lines = catch_end();
    ck_assert_ptr_null(strstr(lines, "debug=1"));
    ck_assert_ptr_nonnull(strstr(lines, "debug LOG_CONN_OPENED debug=2\n"));
    ck_assert_ptr_null(strstr(lines, "warn=3"));
    ck_assert_ptr_nonnull(strstr(lines, "error LOG_START_FAILED error=4\n"));
}
END_TEST

/* Names come from peers: whatever is in them, an event stays one line, and a terminal is not
 * steered by it. */
START_TEST(what_a_peer_says_cannot_forge_a_line)
{
    catch_begin();
    log_event(LOG_CONN_REFUSED, "user=\"%s\"", "a\n2030-01-01 error LOG_FORGED\r\x1b[2J\x7f");
    const char *line = catch_end();
    ck_assert_ptr_eq(strchr(line, '\n'), line + strlen(line) - 1);
    for (const char *c = line; c[1] != 0; c++)
        ck_assert(*c >= 32 && *c != 127);
    ck_assert_ptr_nonnull(strstr(line, "user=\"a"));
}
END_TEST

START_TEST(a_text_without_end_is_cut)
{
    static char endless[5000];
    memset(endless, 'x', sizeof(endless) - 1);
    catch_begin();
    log_event(LOG_CONN_REFUSED, "%s", endless);
    const char *line = catch_end();
    ck_assert_uint_lt(strlen(line), 1200);
    ck_assert_int_eq(line[strlen(line) - 1], '\n');
}
END_TEST

/* What a second does to this is shown in test_log_limit; here the row has its limit. */
START_TEST(a_flood_of_what_a_peer_can_cause_is_cut)
{
    static char flood[1 << 20];
    size_t n_lines = 0;
    catch_begin();
    for (int i = 0; i < 5000; i++)
        log_event(LOG_CONN_REFUSED, "n=%d", i);
    log_event(LOG_START_FAILED, "no limit");
    catch_end_in(flood, sizeof(flood));
    for (const char *at = flood; (at = strchr(at, '\n')) != NULL; at++)
        n_lines++;
    ck_assert_uint_ge(n_lines, 2);
    ck_assert_uint_lt(n_lines, 500);
    ck_assert_ptr_nonnull(strstr(flood, "no limit"));
}
END_TEST

SUITE("log", a_line_has_time_level_id_and_text, only_lines_up_to_the_level_are_written,
      what_a_peer_says_cannot_forge_a_line, a_text_without_end_is_cut,
      a_flood_of_what_a_peer_can_cause_is_cut)
