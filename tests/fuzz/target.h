// SPDX-License-Identifier: Apache-2.0
/* tests/fuzz/target.h — what every fuzz target defines, for libFuzzer and for replay.c. */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/* Takes any bytes; aborts when a promise is broken. 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
