/*
 * Flush by ASID and the number of ASIDs (2: 15.16; row 58).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define SVM_FEATURES            0x8000000a
#define FLUSH_BY_ASID           6

#define LARGE_PAGE_SIZE         0x200000
/* A large page that the payload does not use, and where it leads to later. */
#define VIRTUAL_PAGE            0xc00000
#define OTHER_PAGE              0xa00000

typedef struct Offer {
    bool flush_by_asid;
    uint32_t asids;
} Offer;

static void offered(SVMMachine *machine, const SVMCase *test)
{
    const Offer *offer = test->data;
    uint64_t cpuid = svm_step(machine, STEP_cpuid, SVM_FEATURES, 0);

    svm_expect(test, "EBX: the number of ASIDs", (uint32_t)cpuid,
               offer->asids);
    svm_expect(test, "EDX[6]: flush by ASID",
               extract64(cpuid, 32 + FLUSH_BY_ASID, 1), offer->flush_by_asid);
}

static void run_again(SVMMachine *machine, uint8_t tlb_control)
{
    svm_set(machine, VMCB, "rip",
            svm_guest_address(machine, GUEST_read_memory));
    svm_set(machine, VMCB, "tlb_ctl", tlb_control);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, VIRTUAL_PAGE);
    svm_run(machine);
}

/* What the guest has read once is mapped elsewhere, and flushed. */
static void flushes(SVMMachine *machine, const SVMCase *test)
{
    const uint8_t *tlb_control = test->data;
    uint64_t *entry = (uint64_t *)svm_ram(machine, HOST_PD) +
                      VIRTUAL_PAGE / LARGE_PAGE_SIZE;

    svm_prepare_guest(machine, GUEST_read_memory);
    svm_set(machine, VMCB, "asid", 0x7fff);
    stq_le_p(svm_ram(machine, VIRTUAL_PAGE), 1);
    stq_le_p(svm_ram(machine, OTHER_PAGE), 2);
    run_again(machine, 0);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "what the guest read", svm_get(machine, VMCB, "rax"), 1);

    *entry = cpu_to_le64(le64_to_cpu(*entry) - VIRTUAL_PAGE + OTHER_PAGE);
    run_again(machine, *tlb_control);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "what the guest read after the flush",
               svm_get(machine, VMCB, "rax"), 2);
}

/* They are no reason for VMRUN to fail: KVM's reading. */
static void reserved_tlb_control(SVMMachine *machine, const SVMCase *test)
{
    static const uint8_t values[] = { 2, 4, 5, 6, 8, 0xff };
    size_t i;

    for (i = 0; i < ARRAY_SIZE(values); i++) {
        svm_prepare_guest(machine, GUEST_vmmcall);
        svm_set(machine, VMCB, "tlb_ctl", values[i]);
        svm_run(machine);
        svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    }
}

#define FLUSHES(path_, tlb_control_) \
    { .path = "flush-by-asid/flushes/" path_, .rule = "2: 15.16.2 (row 58)", \
      .run = flushes, .arguments = "-cpu EPYC,+flushbyasid", \
      .data = &(const uint8_t) { tlb_control_ } }

static const SVMCase cases[] = {
    {
        .path = "flush-by-asid/offered",
        .rule = "2: 15.16.2 (row 58)",
        .run = offered,
        .arguments = "-cpu EPYC,+flushbyasid",
        .data = &(const Offer) { true, 32768 },
        .fails_on_pristine = true,
    }, {
        .path = "flush-by-asid/absent",
        .rule = "2: 15.16.2 (row 58)",
        .run = offered,
        .arguments = "-cpu EPYC,-flushbyasid",
        .data = &(const Offer) { false, 16 },
    },
    FLUSHES("all", 1),
    FLUSHES("this-asid", 3),
    FLUSHES("this-asid-non-global", 7),
    {
        .path = "flush-by-asid/reserved-tlb-control",
        .rule = "2: 15.16.1 (row 58)",
        .run = reserved_tlb_control,
        .arguments = "-cpu EPYC,+flushbyasid",
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
