// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target over the files of its corpus, and over their prefixes, without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"

enum { FILE_MAX = 1 << 20, PREFIXES_MAX = 64 };

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "re");
    uint8_t *bytes = malloc(FILE_MAX);
    if (file == NULL || bytes == NULL) {
        perror(path);
        return 1;
    }
    size_t size = fread(bytes, 1, FILE_MAX, file);
    fclose(file);
    size_t step = size / PREFIXES_MAX + 1;
    for (size_t n = 0; n < size; n += step)
        LLVMFuzzerTestOneInput(bytes, n);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS\n", argv[0]);
        return 2;
    }
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        perror(argv[1]);
        return 1;
    }
    int n = 0;
    int failed = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        failed |= replay_file(path);
        n++;
    }
    closedir(dir);
    printf("%d inputs\n", n);
    return n == 0 ? 1 : failed;
}
