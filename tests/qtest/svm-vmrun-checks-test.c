/*
 * VMRUN's consistency checks: what must fail, and what must not.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define PHYSICAL_LIMIT          (1ULL << 40)

/* One or two fields that differ from a guest that runs. */
typedef struct Check {
    const char *name;
    uint64_t value;
    const char *other_name;
    uint64_t other_value;
    bool nested_paging;
    bool is_32_bit;
} Check;

static void prepare(SVMMachine *machine, const Check *check)
{
    if (check->is_32_bit) {
        svm_prepare_guest_32(machine, GUEST_vmmcall);
    } else {
        svm_prepare_guest(machine, GUEST_vmmcall);
    }
    if (check->nested_paging) {
        svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    }
    svm_set(machine, VMCB, check->name, check->value);
    if (check->other_name) {
        svm_set(machine, VMCB, check->other_name, check->other_value);
    }
}

static void must_fail(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, test->data);
    svm_run(machine);
    svm_expect_exit(machine, test, VMEXIT_INVALID);
    svm_expect(test, "times that VMRUN ended",
               svm_mailbox(machine, MAILBOX_VMRUN_RETURNS), 1);
}

static void must_run(SVMMachine *machine, const SVMCase *test)
{
    prepare(machine, test->data);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

#define MUST_FAIL(path_, rule_, fails, ...) \
    { .path = "vmrun-checks/must-fail/" path_, .rule = rule_, \
      .run = must_fail, .fails_on_pristine = fails, \
      .data = &(const Check) { __VA_ARGS__ } }
#define MUST_FAIL_IN_32_BIT_HOSTS(path_, ...) \
    { .path = "vmrun-checks/must-fail/" path_, \
      .hosts = IN_32_BIT_HOSTS, \
      .rule = "2: 15.5.1", \
      .run = must_fail, \
      .data = &(const Check) { __VA_ARGS__ } }
/* Where its registers have 32 bits, unmodified QEMU drops the others. */
#define UPPER_HALF_IN_32_BIT_HOSTS(path_, ...) \
    { .path = "vmrun-checks/must-fail/" path_, \
      .hosts = IN_32_BIT_HOSTS, \
      .rule = "2: 15.5.1 (row 39)", \
      .run = must_fail, \
      .fails_on_pristine_i386 = true, \
      .data = &(const Check) { __VA_ARGS__ } }
#define MUST_RUN(path_, rule_, fails, ...) \
    { .path = "vmrun-checks/must-run/" path_, .rule = rule_, \
      .run = must_run, .fails_on_pristine = fails, \
      .data = &(const Check) { __VA_ARGS__ } }

static const SVMCase cases[] = {
    MUST_FAIL("efer-svme-0", "2: 15.5.1", false, "efer", 0xd00),
    MUST_FAIL("efer-reserved", "2: 15.5.1", false, "efer", 0x1d00 | 1 << 20),
    MUST_FAIL("cr0-nw-without-cd", "2: 15.5.1", false, "cr0", 0xa0010033),
    MUST_FAIL("cr0-63-32", "2: 15.5.1", false, "cr0", 0x180010033),
    MUST_FAIL("cr3-above-limit", "2: 15.5.1", false, "cr3",
              HOST_PML4 | PHYSICAL_LIMIT),
    MUST_FAIL("cr3-63", "2: 15.5.1", false, "cr3", HOST_PML4 | 1ULL << 63),
    MUST_FAIL("cr4-reserved-15", "2: 15.5.1", false, "cr4", 0x8620),
    MUST_FAIL("cr4-63-32", "2: 15.5.1", false, "cr4", 0x100000620),
    MUST_FAIL("dr6-63-32", "2: 15.5.1", false, "dr6", 0x1ffff0ff0),
    MUST_FAIL("dr7-63-32", "2: 15.5.1", false, "dr7", 0x100000400),
    MUST_FAIL("long-mode-without-pae", "2: 15.5.1", false, "cr4", 0x600),
    MUST_FAIL("long-mode-without-pe", "2: 15.5.1", false, "cr0", 0x80010032),
    MUST_FAIL("cs-long-and-default", "2: 15.5.1", false, "cs.attributes",
              0xe9b),
    MUST_FAIL("vmrun-intercept-clear", "2: 15.5.1", false, "intercept",
              2ULL << 32),
    MUST_FAIL("asid-0", "2: 15.5.1", false, "asid", 0),
    MUST_FAIL("msrpm-at-limit-minus-8k", "2: 15.5.1", false, "msrpm_base_pa",
              PHYSICAL_LIMIT - 0x2000),
    MUST_FAIL("msrpm-above-limit", "2: 15.5.1", false, "msrpm_base_pa",
              PHYSICAL_LIMIT),
    MUST_FAIL("iopm-at-limit-minus-8k", "2: 15.5.1", false, "iopm_base_pa",
              PHYSICAL_LIMIT - 0x2000),
    MUST_FAIL("n-cr3-above-limit", "2: 15.25.3 (row 39)", true, "nested_cr3",
              NESTED_TABLES | PHYSICAL_LIMIT, .nested_paging = true),
    MUST_FAIL("g-pat-type-2", "2: 15.25.4 (row 39)", true, "g_pat",
              0x0007040600070402, .nested_paging = true),
    MUST_FAIL("g-pat-type-8", "2: 15.25.4 (row 39)", true, "g_pat",
              0x0807040600070406, .nested_paging = true),
    {
        .path = "vmrun-checks/must-fail/nested-paging-of-host-without-paging",
        .rule = "2: 15.25.3 (row 39)",
        .run = must_fail,
        .host_mode = HOST_NO_PAGING,
        .fails_on_pristine = true,
        .data = &(const Check) {
            "asid", 1, .nested_paging = true, .is_32_bit = true
        },
    },

    MUST_FAIL("event-type-1", "2: 15.20", false, "event_inj", 0x80000100),
    MUST_FAIL("event-type-5", "2: 15.20", false, "event_inj", 0x80000500),
    MUST_FAIL("event-type-6", "2: 15.20", false, "event_inj", 0x80000600),
    MUST_FAIL("event-type-7", "2: 15.20", false, "event_inj", 0x80000700),
    MUST_FAIL("event-exception-2", "2: 15.20", false, "event_inj",
              0x80000302),
    MUST_FAIL("event-exception-32", "2: 15.20", false, "event_inj",
              0x80000320),
    MUST_FAIL("event-exception-255", "2: 15.20", false, "event_inj",
              0x800003ff),
    MUST_FAIL("event-overflow-64-bit", "2: 15.20 (row 31)", true, "event_inj",
              0x80000304),
    MUST_FAIL("event-bound-64-bit", "2: 15.20 (row 31)", true, "event_inj",
              0x80000305),

    MUST_FAIL_IN_32_BIT_HOSTS("efer-svme-0", "efer", 0),
    MUST_FAIL_IN_32_BIT_HOSTS("cr0-63-32", "cr0", 0x100000011),
    UPPER_HALF_IN_32_BIT_HOSTS("cr4-63-32", "cr4", 0x100000000),
    UPPER_HALF_IN_32_BIT_HOSTS("dr7-63-32", "dr7", 0x100000400),
    MUST_FAIL_IN_32_BIT_HOSTS("vmrun-intercept-clear", "intercept",
                              2ULL << 32),
    MUST_FAIL_IN_32_BIT_HOSTS("msrpm-above-limit", "msrpm_base_pa",
                              PHYSICAL_LIMIT),
    MUST_FAIL_IN_32_BIT_HOSTS("event-type-1", "event_inj", 0x80000100),
    {
        .path = "vmrun-checks/must-fail/n-cr3-above-limit",
        .hosts = IN_PAGING_HOSTS,
        .rule = "2: 15.25.3 (row 39)",
        .run = must_fail,
        .fails_on_pristine = true,
        .data = &(const Check) {
            "nested_cr3", NESTED_TABLES | PHYSICAL_LIMIT, .nested_paging = true
        },
    }, {
        .path = "vmrun-checks/must-fail/g-pat-type-2",
        .hosts = IN_PAGING_HOSTS,
        .rule = "2: 15.25.4 (row 39)",
        .run = must_fail,
        .fails_on_pristine = true,
        .data = &(const Check) {
            "g_pat", 0x0007040600070402, .nested_paging = true
        },
    }, {
        .path = "vmrun-checks/must-fail/lme-without-long-mode",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1",
        .run = must_fail,
        .arguments = "-cpu EPYC,lm=off",
        .data = &(const Check) { "efer", 0x1100 },
    },

    MUST_RUN("msrpm-below-limit", "2: 15.5.1", false, "msrpm_base_pa",
             PHYSICAL_LIMIT - 0x3000),
    MUST_RUN("iopm-at-limit-minus-12k", "2: 15.5.1", false, "iopm_base_pa",
             PHYSICAL_LIMIT - 0x3000),
    MUST_RUN("maps-11-0", "2: 15.5.1", false, "iopm_base_pa", IO_MAP | 0xfff,
             "msrpm_base_pa", MSR_MAP | 0xfff),
    MUST_RUN("cr0-cd-and-nw", "2: 15.5.1", false, "cr0", 0xe0010033),
    MUST_RUN("lme-without-paging", "2: 15.5.1", false, "efer", 0x1100,
             .is_32_bit = true),
    MUST_RUN("event-not-valid", "2: 15.20", false, "event_inj", 0x7fffffff),
    MUST_RUN("event-exception-31", "2: 15.20 (row 31)", true, "event_inj",
             0x8000031f),
    MUST_RUN("g-pat-without-nested-paging", "2: 15.25.4", false, "g_pat",
             UINT64_MAX),
    MUST_RUN("n-cr3-without-nested-paging", "2: 15.25.3", false, "nested_cr3",
             UINT64_MAX),
    MUST_RUN("cr3-63-32-of-32-bit-guest", "2: 15.5.1 (row 20)", true, "cr3",
             0xffffff0000000000, .is_32_bit = true),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
