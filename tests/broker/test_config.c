// SPDX-License-Identifier: Apache-2.0
#include "broker/server/config.h"

#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "tests/base/suite.h"

static struct config c;
static char why[512];

static void begin(void)
{
    unsetenv("RABBITMQ_DEFAULT_USER");
    unsetenv("RABBITMQ_DEFAULT_PASS");
    unsetenv("RABBITMQ_DEFAULT_VHOST");
    log_set_level(LOG_LEVEL_ERROR);
    ck_assert_int_eq(config_init(&c, why, sizeof(why)), OK);
    why[0] = 0;
}

static enum err set(const char *key, const char *value)
{
    return config_set(&c, key, value, why, sizeof(why));
}

/* A file with these bytes; its name stands in the message as FILE. */
static enum err load(const char *bytes, size_t size)
{
    char path[] = "/tmp/whippet-config-XXXXXX";
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, size), (ssize_t)size);
    close(fd);
    enum err e = config_load(&c, path, why, sizeof(why));
    unlink(path);
    if (strncmp(why, path, strlen(path)) == 0) {
        memmove(why + 4, why + strlen(path), strlen(why + strlen(path)) + 1);
        memcpy(why, "FILE", 4);
    }
    return e;
}

static enum err load_text(const char *text)
{
    return load(text, strlen(text));
}

START_TEST(defaults_are_those_of_the_table)
{
    begin();
    ck_assert_str_eq(c.listener, "5672");
    ck_assert_str_eq(c.default_user, "guest");
    ck_assert_str_eq(c.default_vhost, "/");
    ck_assert_uint_eq(c.heartbeat_s, 60);
    ck_assert_uint_eq(c.frame_max, 131072);
    ck_assert_uint_eq(c.memory_percent, 60);
    ck_assert(c.guest_loopback_only);
    config_fini(&c);
}
END_TEST

START_TEST(the_environment_comes_before_the_file)
{
    begin();
    config_fini(&c);
    setenv("RABBITMQ_DEFAULT_USER", "env", 1);
    setenv("RABBITMQ_DEFAULT_PASS", "secret", 1);
    ck_assert_int_eq(config_init(&c, why, sizeof(why)), OK);
    ck_assert_str_eq(c.default_user, "env");
    ck_assert_str_eq(c.default_pass, "secret");
    ck_assert_int_eq(load_text("default_user = file\n"), OK);
    ck_assert_str_eq(c.default_user, "file");
    config_fini(&c);
}
END_TEST

START_TEST(a_file_is_lines_of_key_and_value)
{
    begin();
    ck_assert_int_eq(load_text("# all of this\n\n  heartbeat=30   # half\r\n"
                               "default_user =  some one \nlisteners.tcp.default = 127.0.0.1:1\n"
                               "loopback_users.guest = false\nmax_message_size = 16MiB"),
                     OK);
    ck_assert_uint_eq(c.heartbeat_s, 30);
    ck_assert_str_eq(c.default_user, "some one");
    ck_assert_str_eq(c.listener, "127.0.0.1:1");
    ck_assert(!c.guest_loopback_only);
    ck_assert_uint_eq(c.max_message_size, 16 << 20);
    config_fini(&c);
}
END_TEST

START_TEST(an_error_names_file_line_and_nearest_key)
{
    begin();
    ck_assert_int_eq(load_text("heartbeat = 30\nheartbaet = 20\n"), ERR_NOT_FOUND);
    ck_assert_str_eq(why, "FILE:2: unknown setting 'heartbaet'; the nearest is 'heartbeat'");
    ck_assert_int_eq(load_text("\n\nframe_max\n"), ERR_SYNTAX);
    ck_assert_str_eq(why, "FILE:3: 'frame_max' is not of the form key = value");
    ck_assert_int_eq(load_text("frame_max = 100"), ERR_SYNTAX);
    ck_assert_str_eq(why,
                     "FILE:1: '100' is no value for frame_max: it takes 4096 to 131072 (bytes)");
    ck_assert_int_eq(config_load(&c, "/nonexistent/whippet.conf", why, sizeof(why)), ERR_IO);
    ck_assert_str_eq(why, "config file /nonexistent/whippet.conf: No such file or directory");
    ck_assert_int_eq(config_load(&c, "/", why, sizeof(why)), ERR_IO);
    ck_assert_str_eq(why, "config file /: Is a directory");
    config_fini(&c);
}
END_TEST

START_TEST(no_key_is_named_when_none_is_near)
{
    begin();
    ck_assert_int_eq(set("bananas", "1"), ERR_NOT_FOUND);
    ck_assert_str_eq(why, "unknown setting 'bananas'");
    ck_assert_int_eq(set("frame-max", "1"), ERR_NOT_FOUND);
    ck_assert_str_eq(why, "unknown setting 'frame-max'; the nearest is 'frame_max'");
    config_fini(&c);
}
END_TEST

START_TEST(a_refused_value_is_told_what_would_do)
{
    static const char *const WRONG[][3] = {
        {"heartbeat", "-1", "0 to 65535 (s)"},
        {"channel_max", "0", "1 to 65535"},
        {"max_message_size", "1TB", "0 to 536870912 (bytes, or with k, M, G, kB, MB, GB, …)"},
        {"vm_memory_high_watermark.absolute", "much", "bytes, or with k, M, G, kB, MB, GB, …"},
        {"vm_memory_high_watermark.relative", "60", "a part of the whole: 0.01 to 1"},
        {"loopback_users.guest", "yes", "true or false"},
        {"loopback_users", "all", "none"},
        {"log.console.level", "loud", "error, warning, info or debug"},
    };
    begin();
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        char wanted[256];
        ck_assert_int_eq(set(WRONG[i][0], WRONG[i][1]), ERR_SYNTAX);
        snprintf(wanted, sizeof(wanted), "'%s' is no value for %s: it takes %s", WRONG[i][1],
                 WRONG[i][0], WRONG[i][2]);
        ck_assert_str_eq(why, wanted);
    }
    ck_assert_str_eq(c.log_level, "info");
    config_fini(&c);
}
END_TEST

START_TEST(parts_are_of_one)
{
    static const struct {
        const char *value;
        uint64_t percent; /* 0: refused */
    } PARTS[] = {{"0.4", 40}, {"1", 100},   {"1.0", 100}, {"0.01", 1},  {"0.6", 60}, {".5", 50},
                 {"1.01", 0}, {"2", 0},     {"40", 0},    {"100", 0},   {"0", 0},    {"0.0", 0},
                 {"", 0},     {".", 0},     {"nan", 0},   {"0x1", 0},   {"1e0", 0},  {"-0.5", 0},
                 {"0.5%", 0}, {"0.4.1", 0}, {" 0.4", 0},  {"0.004", 0}, {"inf", 0}};
    begin();
    for (size_t i = 0; i < sizeof(PARTS) / sizeof(PARTS[0]); i++) {
        c.memory_percent = 60;
        enum err wanted = PARTS[i].percent == 0 ? ERR_SYNTAX : OK;
        ck_assert_msg(set("vm_memory_high_watermark.relative", PARTS[i].value) == wanted,
                      "%s is taken otherwise", PARTS[i].value);
        ck_assert_uint_eq(c.memory_percent, wanted == OK ? PARTS[i].percent : 60);
    }
    config_fini(&c);
}
END_TEST

START_TEST(a_listener_may_have_any_name_but_there_is_one)
{
    begin();
    ck_assert_int_eq(load_text("listeners.tcp.1 = 5673\n"), OK);
    ck_assert_str_eq(c.listener, "5673");
    /* The command line overrides the file, whatever the name was there. */
    ck_assert_int_eq(set("listeners.tcp.default", "5674"), OK);
    ck_assert_str_eq(c.listener, "5674");
    ck_assert_int_eq(load_text("listeners.tcp.1 = 1\nlisteners.tcp.local = 127.0.0.1:2\n"),
                     ERR_SYNTAX);
    ck_assert_str_eq(why, "FILE:2: listeners.tcp.local is a second listener after "
                          "listeners.tcp.1: there can be one only");
    ck_assert_int_eq(set("listeners.tcp.", "1"), ERR_NOT_FOUND);
    config_fini(&c);
}
END_TEST

START_TEST(loopback_users_are_as_in_rabbitmq)
{
    begin();
    ck_assert_int_eq(load_text("loopback_users = none\n"), OK);
    ck_assert(!c.guest_loopback_only);
    ck_assert_int_eq(load_text("loopback_users.guest = true\n"), OK);
    ck_assert(c.guest_loopback_only);
    config_fini(&c);
}
END_TEST

START_TEST(a_long_comment_is_a_comment_to_its_end)
{
    static char text[3000];
    begin();
    memset(text, 'x', sizeof(text) - 1);
    memcpy(text, "# ", 2);
    memcpy(text + 1020, "\theartbeat = 1", 14);
    memcpy(text + 2980, "\nheartbeat = 7\n", 16);
    ck_assert_int_eq(load_text(text), OK);
    ck_assert_uint_eq(c.heartbeat_s, 7);
    text[0] = 'a';
    ck_assert_int_eq(load_text(text), ERR_SYNTAX);
    ck_assert_str_eq(why, "FILE:1: the line is too long");
    config_fini(&c);
}
END_TEST

START_TEST(numbers_stay_in_their_range)
{
    const char *const wrong[][2] = {
        {"heartbeat", "65536"},
        {"heartbeat", "-1"},
        {"heartbeat", ""},
        {"heartbeat", "1 s"},
        {"heartbeat", "1k"},
        {"heartbeat", "99999999999999999999999"},
        {"frame_max", "4095"},
        {"frame_max", "131073"},
        {"channel_max", "0"},
        {"max_message_size", "1TB"},
        {"max_message_size", "1 GB"},
        {"vm_memory_high_watermark.absolute", "17179869185G"},
        {"loopback_users.guest", "yes"},
    };
    begin();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        why[0] = 0;
        ck_assert_msg(set(wrong[i][0], wrong[i][1]) == ERR_SYNTAX, "%s = %s is taken", wrong[i][0],
                      wrong[i][1]);
        ck_assert_ptr_nonnull(strstr(why, wrong[i][0]));
    }
    /* What was refused has changed nothing. */
    ck_assert_uint_eq(c.heartbeat_s, 60);
    ck_assert_uint_eq(c.frame_max, 131072);
    ck_assert_uint_eq(c.channel_max, 2047);
    ck_assert_uint_eq(c.memory_percent, 60);
    ck_assert(c.guest_loopback_only);
    ck_assert_int_eq(set("heartbeat", "65535"), OK);
    ck_assert_int_eq(set("vm_memory_high_watermark.absolute", "2GB"), OK);
    ck_assert_uint_eq(c.memory_absolute, 2000000000);
    config_fini(&c);
}
END_TEST

START_TEST(a_text_that_is_too_long_is_refused_and_the_old_one_kept)
{
    char text[CONFIG_TEXT_MAX + 1];
    begin();
    memset(text, 'u', sizeof(text));
    text[CONFIG_TEXT_MAX] = 0;
    ck_assert_int_eq(set("default_user", text), ERR_SYNTAX);
    ck_assert_str_eq(c.default_user, "guest");
    text[CONFIG_TEXT_MAX - 1] = 0;
    ck_assert_int_eq(set("default_user", text), OK);
    ck_assert_str_eq(c.default_user, text);
    config_fini(&c);
}
END_TEST

START_TEST(keys_without_meaning_here_are_passed_over)
{
    begin();
    ck_assert_int_eq(set("management.tcp.port", "15672"), OK);
    ck_assert_int_eq(set("disk_free_limit.absolute", "50MB"), OK);
    ck_assert_int_eq(set("cluster_name", "x"), OK);
    ck_assert_int_eq(set("cluster_names", "x"), ERR_NOT_FOUND);
    ck_assert_int_eq(set("log.console", "true"), OK);
    ck_assert_int_eq(set("log.file.rotation.date", "$D0"), OK);
    ck_assert_int_eq(set("log.connection.level", "debug"), OK);
    ck_assert_int_eq(set("log.syslog.formatter.time_format", "x"), OK);
    ck_assert_int_eq(set("log.consle.level", "debug"), ERR_NOT_FOUND);
    ck_assert_int_eq(set("log.console.levle", "debug"), ERR_NOT_FOUND);
    ck_assert_int_eq(set("log.everything", "x"), ERR_NOT_FOUND);
    ck_assert_int_eq(set("management", "x"), ERR_NOT_FOUND);
    /* Silence about these would weaken security. */
    ck_assert_int_ne(set("auth_backends.1", "ldap"), OK);
    ck_assert_int_ne(set("listeners.ssl.default", "5671"), OK);
    config_fini(&c);
}
END_TEST

START_TEST(the_table_is_printed_for_help)
{
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    config_print(to);
    fclose(to);
    ck_assert_ptr_nonnull(strstr(text, "heartbeat"));
    ck_assert_ptr_nonnull(strstr(text, "vm_memory_high_watermark.relative"));
    free(text);
}
END_TEST

SUITE("config", defaults_are_those_of_the_table, the_environment_comes_before_the_file,
      a_file_is_lines_of_key_and_value, an_error_names_file_line_and_nearest_key,
      no_key_is_named_when_none_is_near, a_refused_value_is_told_what_would_do, parts_are_of_one,
      a_listener_may_have_any_name_but_there_is_one, loopback_users_are_as_in_rabbitmq,
      a_long_comment_is_a_comment_to_its_end, numbers_stay_in_their_range,
      a_text_that_is_too_long_is_refused_and_the_old_one_kept,
      keys_without_meaning_here_are_passed_over, the_table_is_printed_for_help)
