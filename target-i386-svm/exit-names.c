/*
 * Names of intercepts and exit codes.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exit-names.h"

static const char *listed_name(uint64_t code)
{
    if (code == SVM_EXIT_ERR) {
        return "INVALID";
    }
    switch (code) {
#define SVM_EXIT_NAME(name) \
    case SVM_EXIT_##name: \
        return #name;
#include "exit-codes.h.inc"
    default:
        return NULL;
    }
}

char *svm_exit_name(uint64_t code)
{
    const char *name = listed_name(code);
    unsigned number = code;

    if (name) {
        return g_strdup(name);
    }
    if (code < SVM_EXIT_EXCP_BASE) {
        return g_strdup_printf("%s%u_%s",
                               code < SVM_EXIT_READ_DR0 ? "CR" : "DR",
                               number % 16, code & 0x10 ? "WRITE" : "READ");
    }
    if (code < SVM_EXIT_INTR) {
        return g_strdup_printf("EXCEPTION_%u", number - SVM_EXIT_EXCP_BASE);
    }
    if (code >= SVM_EXIT_CR0_WRITE_TRAP && code < SVM_EXIT_INVLPGB) {
        return g_strdup_printf("CR%u_WRITE_TRAP",
                               number - SVM_EXIT_CR0_WRITE_TRAP);
    }
    return g_strdup_printf("0x%" PRIx64, code);
}
