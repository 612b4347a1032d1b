/*
 * The fields of the VMCB and of the host save area, by name.
 *
 * Made from the emulator's own tables: no register is listed here.  These
 * tables are the target's; what they need of it is defined below, in place
 * of QEMU's headers.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "svm-fields.h"

/* The 64-bit target's rows too: a 32-bit emulator just leaves them alone. */
#define TARGET_X86_64

#define PART(field, part, place, bits, sets) \
    { #field "." #part, place, bits, SVM_SET_##sets },

#define SVM_SEGMENT(field, offset, sets, ...) \
    PART(field, selector, (offset), 16, sets) \
    PART(field, attributes, (offset) + 2, 16, sets) \
    PART(field, limit, (offset) + 4, 32, sets) \
    PART(field, base, (offset) + 8, 64, sets)
#define SVM_REGISTER(field, offset, bits, sets, ...) \
    { #field, offset, bits, SVM_SET_##sets },
#define SVM_CONTROL(field, offset, bits, ...) \
    { #field, offset, bits, 0 },

const SVMField svm_fields[] = {
#include "target/i386/svm/svm-registers.h.inc"
#include "target/i386/svm/svm-controls.h.inc"
    /* Only #VMEXIT writes these (2: appendix B, table B-1). */
    { "exit_code", 0x070, 64, 0 },
    { "exit_info_1", 0x078, 64, 0 },
    { "exit_info_2", 0x080, 64, 0 },
    { "exit_int_info", 0x088, 32, 0 },
    { "exit_int_info_err", 0x08c, 32, 0 },
    { "next_rip", 0x0c8, 64, 0 },
    { "insn_bytes_low", 0x0d0, 64, 0 },
    { "insn_bytes_high", 0x0d8, 64, 0 },
    { }
};

const SVMField *svm_field(const char *name)
{
    const SVMField *field;

    for (field = svm_fields; field->name; field++) {
        if (!strcmp(field->name, name)) {
            return field;
        }
    }
    fprintf(stderr, "no field is named %s\n", name);
    abort();
}

const SVMField *svm_field_at(unsigned offset)
{
    const SVMField *field;

    for (field = svm_fields; field->name; field++) {
        if (offset - field->offset < field->bits / 8) {
            return field;
        }
    }
    return NULL;
}

unsigned svm_sets_at(unsigned offset)
{
    const SVMField *field = svm_field_at(offset);

    return field ? field->sets : 0;
}

bool svm_needs_long_mode(unsigned offset)
{
    const SVMField *field = svm_field_at(offset);

    /* The parts of segments, which any processor has, have no rows. */
    if (!field || !field->sets || strchr(field->name, '.')) {
        return false;
    }
    /* The rows of a processor without long mode. */
#undef TARGET_X86_64
    switch (field->offset) {
#define SVM_SEGMENT(field, offset, ...) \
    case (offset):
#define SVM_REGISTER(field, offset, ...) \
    case (offset):
#include "target/i386/svm/svm-registers.h.inc"
        return false;
    default:
        return true;
    }
}

bool svm_is_exit_field(unsigned offset, bool failed_vmrun)
{
    static const char *const of_every_exit[] = {
        "exit_code", "exit_info_1", "exit_info_2", "event_inj",
        "event_inj_err", NULL
    };
    static const char *const of_the_guest[] = {
        "exit_int_info", "exit_int_info_err", "int_ctl", "int_state",
        "next_rip", "insn_bytes_low", "insn_bytes_high", NULL
    };
    const SVMField *field = svm_field_at(offset);
    const char *const *name;

    for (name = of_every_exit; field && *name; name++) {
        if (!strcmp(field->name, *name)) {
            return true;
        }
    }
    for (name = of_the_guest; field && !failed_vmrun && *name; name++) {
        if (!strcmp(field->name, *name)) {
            return true;
        }
    }
    return false;
}
