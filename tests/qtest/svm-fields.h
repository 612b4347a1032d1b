/*
 * The fields of the VMCB and of the host save area, by name.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TESTS_QTEST_SVM_FIELDS_H
#define TESTS_QTEST_SVM_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct SVMField {
    const char *name;
    unsigned offset;
    unsigned bits;
    /* SVM_SET_... of the register; 0 for what is not a register. */
    unsigned sets;
} SVMField;

/* Who moves a register, in the words of svm-registers.h.inc. */
enum {
    SVM_SET_V = 1,
    SVM_SET_G = 2,
    SVM_SET_GN = 4,
    SVM_SET_H = 8,
    SVM_SET_GL = 16,
    SVM_SET_GS = 32,
    SVM_SET_GH = SVM_SET_G | SVM_SET_H,
};

/* Ends with a row without a name. */
extern const SVMField svm_fields[];

/**
 * svm_field: look a field up: "cr0", "cs.limit", "asid", "exit_code"
 *
 * A name that no table has ends the program.
 */
const SVMField *svm_field(const char *name);

/**
 * svm_field_at: the field that the byte at @offset belongs to, or NULL
 */
const SVMField *svm_field_at(unsigned offset);

/**
 * svm_sets_at: the sets that the byte at @offset belongs to
 */
unsigned svm_sets_at(unsigned offset);

/**
 * svm_needs_long_mode: does only a processor with long mode have the register
 * that the byte at @offset belongs to?
 */
bool svm_needs_long_mode(unsigned offset);

/**
 * svm_is_exit_field: does #VMEXIT report something in the byte at @offset?
 * @failed_vmrun: the #VMEXIT is the one of a VMRUN that failed its checks
 */
bool svm_is_exit_field(unsigned offset, bool failed_vmrun);

#endif
