// SPDX-License-Identifier: Apache-2.0
/* A recording that somebody has forged: whatever it says, the replay ends with a sentence.
 *
 * The input is the records behind a fixed head, each as kind (octet), size (u16) and payload
 * without the kind; their checksums are put in here, which no fuzzer would guess. */
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/limits.h"
#include "broker/server/recording.h"
#include "tests/fuzz/target.h"
#include "tests/sim/replay.h"

enum { LINKS = 1, INPUT_MAX = 64 * 1024 };

static void add(struct buf *out, uint8_t kind, struct span payload)
{
    uint8_t *p = buf_reserve(out, 9 + payload.size);
    ASSERT(p != NULL);
    put_bytes(put_u8(p + 8, kind), payload);
    put_u32(p, (uint32_t)payload.size + 1);
    put_u32(p + 4, checksum_crc32c(0, span_of(p + 8, payload.size + 1)));
    buf_commit(out, 9 + payload.size);
}

/* guest may log in as in a stock broker: "guest" with salt 1 2 3 4. */
static void add_head(struct buf *out)
{
    static const uint8_t SALT[PASSWORD_SALT] = {1, 2, 3, 4};
    static const uint8_t SECRETS[RECORDING_SECRETS] = {0};
    uint8_t head[512];
    struct users users;
    users_init(&users);
    ASSERT(users_add(&users, SPAN_LIT("guest"), SPAN_LIT("guest"), SALT, false) == OK);
    uint8_t *p = put_longstr(put_longstr(head, span_str(WHIPPET_VERSION)), SPAN_LIT("4.2.0"));
    p = put_u32(put_longstr(p, SPAN_LIT("/")), FRAME_MAX_DEFAULT);
    p = put_u64(put_u16(put_u16(p, CHANNEL_MAX_DEFAULT), 60), (uint64_t)BODY_INLINE_MAX * 2);
    p = put_u32(put_u32(put_u32(put_u64(p, 1 << 20), 64), 16), LINKS);
    p = put_u32(put_bytes(p, span_of(SECRETS, sizeof(SECRETS))), 1);
    p = put_bytes(put_longstr(p, SPAN_LIT("guest")), span_of(SALT, sizeof(SALT)));
    p = put_bytes(p, span_of(users.list[0].digest, PASSWORD_DIGEST));
    p = put_u8(p, false);
    add(out, RECORDING_HEAD, span_of(head, (size_t)(p - head)));
    users_fini(&users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct span payload;
    struct buf recording;
    uint8_t kind;
    uint16_t n;
    if (size > INPUT_MAX)
        return 0;
    /* A sentence for each input would drown what the fuzzer says. */
    static FILE *quiet;
    if (quiet == NULL)
        quiet = freopen("/dev/null", "w", stdout);
    buf_init(&recording);
    ASSERT(buf_append(&recording, RECORDING_MAGIC) == OK);
    add_head(&recording);
    while (take_u8(&in, &kind) && take_u16(&in, &n) &&
           take_span(&in, n < in.size ? n : in.size, &payload))
        add(&recording, kind, payload);
    int status = replay(buf_span(&recording));
    ASSERT(status == 0 || status == 1);
    buf_fini(&recording);
    return 0;
}
