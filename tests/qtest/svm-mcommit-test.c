/*
 * MCOMMIT, EFER.MCOMMIT, and the intercept.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "target/i386/svm/vmcb.h"
#include "svm-machine.h"

#define FAULT_UD                6
#define FAULT_GP                13

#define RULE                    "3: MCOMMIT (row 76)"
/* EPYC, the model of other cases, lacks it. */
#define EVERYTHING              "-cpu max"

#define MCOMMIT                 "\xf3\x0f\x01\xfa"
#define EFER_MCOMMIT            (1 << 17)

#define RFLAGS_FIXED            0x2
#define RFLAGS_CF               0x1
/* OF, SF, ZF, AF, PF */
#define RFLAGS_OTHERS           0x8d4

typedef struct Commit {
    const char *bytes;
    uint64_t rflags;
    bool is_disabled;
    bool is_user;
    bool is_intercepted;
    uint64_t exit_code;
} Commit;

static void commit(SVMMachine *machine, const SVMCase *test)
{
    const Commit *c = test->data;
    size_t length = strlen(c->bytes);

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, c->bytes, length);
    if (c->is_user) {
        svm_make_user(machine);
    }
    if (!c->is_disabled) {
        svm_set(machine, VMCB, "efer",
                svm_get(machine, VMCB, "efer") | EFER_MCOMMIT);
    }
    svm_set(machine, VMCB, "rflags", c->rflags | RFLAGS_FIXED);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_UD);
    if (c->is_intercepted) {
        svm_intercept(machine, SVM_EXIT_MCOMMIT);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, c->exit_code);
    svm_expect(test, "RFLAGS", svm_get(machine, VMCB, "rflags"),
               c->rflags | RFLAGS_FIXED |
               (c->exit_code == SVM_EXIT_VMMCALL ? RFLAGS_CF : 0));
    if (c->exit_code == SVM_EXIT_MCOMMIT) {
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
        svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"),
                   GUEST_CODE + length);
        svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
                   0);
        svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
                   0);
    }
}

/* The host's EFER, which #VMEXIT brings back. */
static void efer(SVMMachine *machine, const SVMCase *test)
{
    uint64_t value = svm_step(machine, STEP_read_msr, MSR_EFER, 0) |
                     EFER_MCOMMIT;

    svm_step(machine, STEP_write_msr, MSR_EFER, value);
    svm_expect(test, "fault of WRMSR", svm_fault(machine), 0);
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "EFER", svm_step(machine, STEP_read_msr, MSR_EFER, 0),
               value);
}

static void efer_without_it(SVMMachine *machine, const SVMCase *test)
{
    uint64_t value = svm_step(machine, STEP_read_msr, MSR_EFER, 0);

    svm_step(machine, STEP_write_msr, MSR_EFER, value | EFER_MCOMMIT);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    svm_expect(test, "EFER", svm_step(machine, STEP_read_msr, MSR_EFER, 0),
               value);
}

static void cpuid(SVMMachine *machine, const SVMCase *test)
{
    svm_expect(test, "CPUID 8000_0008 EBX[8]",
               svm_step(machine, STEP_cpuid, 0x80000008, 0) >> 8 & 1, 1);
}

#define INSTRUCTION(path_, bytes_, exit_code_, ...) \
    .path = "mcommit/" path_, .rule = RULE, .run = commit, \
    .data = &(const Commit) { \
        .bytes = bytes_, .exit_code = exit_code_, __VA_ARGS__ }
#define COMMIT(path_, exit_code_, ...) \
    INSTRUCTION(path_, MCOMMIT, exit_code_, __VA_ARGS__)
#define COMMITS(path_, exit_code_, ...) \
    { COMMIT(path_, exit_code_, __VA_ARGS__), .arguments = EVERYTHING, \
      .fails_on_pristine = true }
static const SVMCase cases[] = {
    {
        .path = "mcommit/cpuid",
        .rule = RULE,
        .run = cpuid,
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    }, {
        .path = "mcommit/efer",
        .rule = RULE,
        .run = efer,
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    }, {
        .path = "mcommit/absent/efer",
        .rule = RULE,
        .run = efer_without_it,
        .fails_on_pristine = true,
    },
    COMMITS("flags-clear", SVM_EXIT_VMMCALL, .rflags = 0),
    COMMITS("flags-set", SVM_EXIT_VMMCALL, .rflags = RFLAGS_OTHERS),
    COMMITS("flags-all-set", SVM_EXIT_VMMCALL,
            .rflags = RFLAGS_OTHERS | RFLAGS_CF),
    COMMITS("of-user", SVM_EXIT_VMMCALL, .is_user = true),
    COMMITS("intercept", SVM_EXIT_MCOMMIT, .is_intercepted = true),
    COMMITS("intercept-of-user", SVM_EXIT_MCOMMIT, .is_intercepted = true,
            .is_user = true),
    {
        COMMIT("disabled", SVM_EXIT_EXCP_BASE + FAULT_UD, .is_disabled = true,
               .is_intercepted = true),
        .arguments = EVERYTHING,
    }, {
        /* MONITORX */
        INSTRUCTION("without-prefix", "\x0f\x01\xfa",
                    SVM_EXIT_EXCP_BASE + FAULT_UD, .is_intercepted = true),
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    }, {
        COMMIT("absent/instruction", SVM_EXIT_EXCP_BASE + FAULT_UD,
               .is_disabled = true, .is_intercepted = true),
    }, {
        COMMIT("absent/vmrun", VMEXIT_INVALID),
    }, {
        COMMIT("32-bit-hosts", SVM_EXIT_VMMCALL, .rflags = RFLAGS_OTHERS),
        .arguments = EVERYTHING,
        .hosts = IN_32_BIT_HOSTS,
        .fails_on_pristine = true,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
