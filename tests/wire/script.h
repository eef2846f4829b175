// SPDX-License-Identifier: Apache-2.0
/* tests/wire/script.h — the words and values of a wire script.
 *
 * A line becomes tokens; tokens become the values of method fields, properties and field tables.
 *
 *   value       number, true, false, "text", "text" * 70000, hex:00ff, $name, {table}
 *   "text"      escapes \n \r \t \0 \\ \" \xNN; ${name} stands for a variable
 *   {table}     {name=value, name=TAG value, …}; without a tag text is S, a number I, a truth t.
 *               tags: t b B s u I i l L f d D S x A T F V; D takes two numbers, V takes nothing
 *   A [..]      values separated by commas
 *
 * All memory belongs to the case and goes with it. A mistake in the script, and a failed
 * expectation, leave by script_fail, which does not return.
 *
 * Thread: one.
 */
#ifndef TESTS_WIRE_SCRIPT_H
#define TESTS_WIRE_SCRIPT_H

#include <setjmp.h>

#include "base/buf.h"
#include "base/span.h"

enum { SCRIPT_TOKENS_MAX = 512, SCRIPT_VARIABLES_MAX = 64 };

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_TEXT, TOKEN_MARK };

struct token {
    enum token_kind kind;
    struct span text;
};

struct script_memory {
    struct script_memory *next;
    uint64_t bytes[];
};

struct script {
    jmp_buf failed;
    char why[2048];
    struct script_memory *memory;
    struct token tokens[SCRIPT_TOKENS_MAX];
    size_t at; /* the token to be read next */
    struct {
        struct span name;
        struct span value; /* the bytes of a text, or a number in decimal */
    } variables[SCRIPT_VARIABLES_MAX];
    size_t n_variables;
};

/* Ends the case. */
__attribute__((noreturn, format(printf, 2, 3))) void script_fail(struct script *s,
                                                                 const char *format, ...);

/* Zeroed, never NULL. */
void *script_alloc(struct script *s, size_t size);
struct span script_copy(struct script *s, struct span bytes);

/* Forgets variables and memory. */
void script_reset(struct script *s);

void script_tokenize(struct script *s, const char *line);

const struct token *script_peek(const struct script *s, size_t ahead);
bool script_is(const struct script *s, size_t ahead, const char *word);

/* Reads the next token if it is that word or mark. */
bool script_take(struct script *s, const char *word);
void script_need(struct script *s, const char *word);

/* A word or text that has to be there. */
struct span script_word(struct script *s);
uint64_t script_number(struct script *s);

/* Text, hex or variable, whatever its length. */
struct span script_text(struct script *s);

/* Texts and hexadecimal words up to something else: the payload of a frame. */
struct span script_payload(struct script *s);

/* The entries of a table: {…}, hex or variable. */
struct span script_table(struct script *s);

/* NULL when there is none yet. */
const struct span *script_variable(const struct script *s, struct span name);
void script_set_variable(struct script *s, struct span name, struct span value);

#endif
