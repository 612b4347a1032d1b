/*
 * RDMSR and WRMSR (3: RDMSR, WRMSR): the time-stamp counter, EFER, VM_CR and
 * its lock.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_GP                13

#define MSR_TSC                 0x10
#define MSR_VM_CR               0xc0010114
#define MSR_SVM_KEY             0xc0010118

#define EFER_SVME               0x1000

#define VM_CR_DPD               0x1
#define VM_CR_LOCK              0x8
#define VM_CR_SVMDIS            0x10

/* What no machine counts to while a case runs. */
#define A_LONG_TIME             (1ULL << 50)

static uint64_t read_msr(SVMMachine *machine, uint32_t msr)
{
    return svm_step(machine, STEP_read_msr, msr, 0);
}

static void write_msr(SVMMachine *machine, uint32_t msr, uint64_t value)
{
    svm_step(machine, STEP_write_msr, msr, value);
}

static void expect_legal_write(SVMMachine *machine, const SVMCase *test,
                               uint32_t msr, uint64_t value)
{
    write_msr(machine, msr, value);
    svm_expect_that(test, !svm_fault(machine), "WRMSR of 0x%" PRIx64
                    " to MSR 0x%x raised exception %u, has to raise none",
                    value, msr, svm_fault(machine) & 0xff);
}

/* #GP, and the register stays what it was. */
static void expect_illegal_write(SVMMachine *machine, const SVMCase *test,
                                 uint32_t msr, uint64_t value)
{
    uint64_t before = read_msr(machine, msr);

    write_msr(machine, msr, value);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    svm_expect(test, "the MSR after a WRMSR that is #GP",
               read_msr(machine, msr), before);
}

/* A clock that goes on from @from. */
static void expect_shortly_after(const SVMCase *test, const char *what,
                                 uint64_t tsc, uint64_t from)
{
    svm_expect_that(test, tsc - from < A_LONG_TIME, "%s is 0x%" PRIx64
                    ", has to be 0x%" PRIx64 " or a little more", what, tsc,
                    from);
}

static void tsc_is_read(SVMMachine *machine, const SVMCase *test)
{
    uint64_t before = svm_step(machine, STEP_read_tsc, 0, 0);
    uint64_t tsc = read_msr(machine, MSR_TSC);
    uint64_t after = svm_step(machine, STEP_read_tsc, 0, 0);

    svm_expect_that(test, before < tsc && tsc < after, "the TSC read as an "
                    "MSR is 0x%" PRIx64 ", has to be between RDTSC before, 0x%"
                    PRIx64 ", and after, 0x%" PRIx64, tsc, before, after);
}

static void tsc_is_written(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t value = 0xfedcba9876543210;

    expect_legal_write(machine, test, MSR_TSC, value);
    expect_shortly_after(test, "RDTSC",
                         svm_step(machine, STEP_read_tsc, 0, 0), value);
    expect_shortly_after(test, "the MSR", read_msr(machine, MSR_TSC), value);

    expect_legal_write(machine, test, MSR_TSC, 0);
    expect_shortly_after(test, "RDTSC after a write of 0",
                         svm_step(machine, STEP_read_tsc, 0, 0), 0);
}

static void expect_guest_tsc(SVMMachine *machine, const SVMCase *test,
                             uint64_t from)
{
    svm_prepare_guest(machine, GUEST_read_tsc);
    svm_set(machine, VMCB, "tsc_offset", 5 * A_LONG_TIME);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_shortly_after(test, "RDTSC in the guest",
                         svm_mailbox(machine, MAILBOX_GUEST_RBX), from);
    expect_shortly_after(test, "the MSR in the guest",
                         svm_mailbox(machine, MAILBOX_GUEST_RCX), from);
    svm_expect_that(test, svm_mailbox(machine, MAILBOX_GUEST_RBX) <
                    svm_mailbox(machine, MAILBOX_GUEST_RCX),
                    "RDTSC in the guest is 0x%" PRIx64 ", has to be less than "
                    "the MSR read after it, 0x%" PRIx64,
                    svm_mailbox(machine, MAILBOX_GUEST_RBX),
                    svm_mailbox(machine, MAILBOX_GUEST_RCX));
}

static void tsc_in_guest(SVMMachine *machine, const SVMCase *test)
{
    expect_guest_tsc(machine, test, 5 * A_LONG_TIME);
    expect_legal_write(machine, test, MSR_TSC, 3 * A_LONG_TIME);
    expect_guest_tsc(machine, test, 8 * A_LONG_TIME);
}

/* What a guest writes is the counter; its offset is added when it reads. */
static void tsc_written_in_guest(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_write_msr);
    svm_set(machine, VMCB, "tsc_offset", 5 * A_LONG_TIME);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_TSC);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0x12345678);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_shortly_after(test, "RDTSC in the host",
                         svm_step(machine, STEP_read_tsc, 0, 0),
                         0x1234567800000000);
    expect_guest_tsc(machine, test, 0x1234567800000000 + 5 * A_LONG_TIME);
}

static void efer_reserved_bits(SVMMachine *machine, const SVMCase *test)
{
    uint64_t efer = read_msr(machine, MSR_EFER);
    unsigned bit;

    for (bit = 0; bit < 64; bit++) {
        /* SCE, LME, LMA, NXE, SVME: what -cpu EPYC has. */
        if (!(0x1d01 & (1ULL << bit))) {
            expect_illegal_write(machine, test, MSR_EFER, efer | 1ULL << bit);
        }
    }
    expect_legal_write(machine, test, MSR_EFER, efer | 0x1);
    svm_expect(test, "EFER with SCE", read_msr(machine, MSR_EFER), efer | 0x1);
}

/* A processor without a feature has no bit for it either. */
static void efer_bits_of_features(SVMMachine *machine, const SVMCase *test)
{
    uint64_t efer = read_msr(machine, MSR_EFER);

    expect_illegal_write(machine, test, MSR_EFER, efer | 0x1);
}

static void efer_long_mode_while_paging(SVMMachine *machine,
                                        const SVMCase *test)
{
    expect_illegal_write(machine, test, MSR_EFER,
                         read_msr(machine, MSR_EFER) & ~0x100ULL);
}

static void efer_reserved_bit_in_guest(SVMMachine *machine,
                                       const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_write_msr);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_EFER);
    svm_set(machine, VMCB, "rax", EFER_HOST | 0x2);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_expect(test, "the guest's EFER", svm_get(machine, VMCB, "efer"),
               EFER_HOST);
}

/* Only interrupts that come with GIF = 1 are counted. */
static void efer_without_svm_has_gif(SVMMachine *machine, const SVMCase *test)
{
    uint64_t efer = read_msr(machine, MSR_EFER);

    svm_step(machine, STEP_enable_apic, 0, 0);
    svm_step(machine, STEP_sti, 0, 0);
    svm_step(machine, STEP_clgi, 0, 0);
    svm_step(machine, STEP_self_ipi, INTERRUPT_SELF_IPI, 0);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "interrupts taken with GIF 0",
               (uint32_t)svm_mailbox(machine, MAILBOX_INTERRUPTS), 0);
    expect_legal_write(machine, test, MSR_EFER, efer & ~EFER_SVME);
    svm_step(machine, STEP_nothing, 0, 0);
    svm_expect(test, "interrupts taken once EFER.SVME is 0",
               (uint32_t)svm_mailbox(machine, MAILBOX_INTERRUPTS), 1);
}

static void vm_cr_bits(SVMMachine *machine, const SVMCase *test)
{
    unsigned bit;

    svm_expect(test, "VM_CR after reset", read_msr(machine, MSR_VM_CR), 0);
    expect_legal_write(machine, test, MSR_VM_CR, 7);
    svm_expect(test, "VM_CR with DPD, R_INIT, DIS_A20M",
               read_msr(machine, MSR_VM_CR), 7);
    /* The lock is a feature that -cpu EPYC has not. */
    expect_illegal_write(machine, test, MSR_VM_CR, VM_CR_LOCK);
    for (bit = 5; bit < 64; bit++) {
        expect_illegal_write(machine, test, MSR_VM_CR, 1ULL << bit);
    }
    expect_legal_write(machine, test, MSR_VM_CR, 0);
    svm_expect(test, "VM_CR after a write of 0",
               read_msr(machine, MSR_VM_CR), 0);
}

static void vm_cr_disables_svm(SVMMachine *machine, const SVMCase *test)
{
    uint64_t efer = read_msr(machine, MSR_EFER);

    expect_illegal_write(machine, test, MSR_VM_CR, VM_CR_SVMDIS);
    expect_legal_write(machine, test, MSR_EFER, efer & ~EFER_SVME);
    expect_legal_write(machine, test, MSR_VM_CR, VM_CR_SVMDIS);
    svm_expect(test, "VM_CR with SVMDIS", read_msr(machine, MSR_VM_CR),
               VM_CR_SVMDIS);
    expect_illegal_write(machine, test, MSR_EFER, efer);
    expect_legal_write(machine, test, MSR_VM_CR, 0);
    expect_legal_write(machine, test, MSR_EFER, efer);
    svm_expect(test, "EFER once SVMDIS is clear", read_msr(machine, MSR_EFER),
               efer);
}

#define KEY     0x0123456789abcdef

static void expect_vm_cr(SVMMachine *machine, const SVMCase *test,
                         const char *when, uint64_t expected)
{
    g_autofree char *what = g_strdup_printf("VM_CR %s", when);

    svm_expect(test, what, read_msr(machine, MSR_VM_CR), expected);
}

/* EFER.SVME is 0 then, as SVMDIS demands. */
static void lock(SVMMachine *machine, const SVMCase *test, uint64_t key,
                 uint64_t vm_cr)
{
    expect_legal_write(machine, test, MSR_EFER,
                       read_msr(machine, MSR_EFER) & ~EFER_SVME);
    expect_legal_write(machine, test, MSR_SVM_KEY, key);
    expect_legal_write(machine, test, MSR_VM_CR, vm_cr | VM_CR_LOCK);
    expect_vm_cr(machine, test, "once locked", vm_cr | VM_CR_LOCK);
}

static void lock_holds(SVMMachine *machine, const SVMCase *test)
{
    lock(machine, test, KEY, VM_CR_SVMDIS);
    expect_illegal_write(machine, test, MSR_EFER,
                         read_msr(machine, MSR_EFER) | EFER_SVME);
    expect_legal_write(machine, test, MSR_VM_CR, 0);
    expect_vm_cr(machine, test, "locked, after a write of 0",
                 VM_CR_LOCK | VM_CR_SVMDIS);
    expect_legal_write(machine, test, MSR_VM_CR, VM_CR_DPD);
    expect_vm_cr(machine, test, "locked, after a write of DPD",
                 VM_CR_LOCK | VM_CR_SVMDIS | VM_CR_DPD);
}

/* Locked the other way round: SVM cannot be forbidden any more. */
static void lock_keeps_svm(SVMMachine *machine, const SVMCase *test)
{
    uint64_t efer = read_msr(machine, MSR_EFER);

    lock(machine, test, KEY, 0);
    expect_legal_write(machine, test, MSR_VM_CR, VM_CR_SVMDIS);
    expect_vm_cr(machine, test, "locked, after a write of SVMDIS", VM_CR_LOCK);
    expect_legal_write(machine, test, MSR_EFER, efer);
    expect_illegal_write(machine, test, MSR_VM_CR, VM_CR_SVMDIS);
}

static void lock_and_key(SVMMachine *machine, const SVMCase *test)
{
    lock(machine, test, KEY, VM_CR_SVMDIS);
    svm_expect(test, "SVM_KEY", read_msr(machine, MSR_SVM_KEY), 0);
    expect_legal_write(machine, test, MSR_SVM_KEY, KEY + 1);
    expect_legal_write(machine, test, MSR_SVM_KEY, 0);
    expect_vm_cr(machine, test, "after wrong keys", VM_CR_LOCK | VM_CR_SVMDIS);
    expect_legal_write(machine, test, MSR_SVM_KEY, KEY);
    expect_vm_cr(machine, test, "after the right key", VM_CR_SVMDIS);
    expect_legal_write(machine, test, MSR_VM_CR, 0);
    expect_vm_cr(machine, test, "unlocked, after a write of 0", 0);
    expect_legal_write(machine, test, MSR_EFER,
                       read_msr(machine, MSR_EFER) | EFER_SVME);
}

static void lock_without_key(SVMMachine *machine, const SVMCase *test)
{
    lock(machine, test, 0, VM_CR_SVMDIS);
    expect_legal_write(machine, test, MSR_SVM_KEY, 0);
    expect_vm_cr(machine, test, "after a key of 0", VM_CR_LOCK | VM_CR_SVMDIS);
    expect_legal_write(machine, test, MSR_SVM_KEY, KEY);
    expect_legal_write(machine, test, MSR_SVM_KEY, KEY);
    expect_vm_cr(machine, test, "after keys that were not set before",
                 VM_CR_LOCK | VM_CR_SVMDIS);
}

static uint64_t step_of_second(SVMMachine *machine, SVMStep step,
                               uint64_t operand, uint64_t value)
{
    svm_step_begin(machine, 1, step, operand, value);
    return svm_step_end(machine, 1, 20);
}

/* The payload loads TR as at its first start: the task may not be busy. */
static void restart_second(SVMMachine *machine)
{
    stl_le_p(svm_ram(machine, MAILBOXES + PER_PROCESSOR + MAILBOX_READY), 0);
    *svm_ram(machine, GLOBAL_DESCRIPTORS + SELECTOR_TASK_STATE + 16 + 5) =
        0x89;
    svm_start_processor(machine, 1);
}

/* The second processor, whose EFER.SVME is 0, gets INIT. */
static void vm_cr_over_init(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t *values = test->data;

    svm_start_processor(machine, 1);
    step_of_second(machine, STEP_write_msr, MSR_VM_CR, values[0]);
    svm_expect(test, "VM_CR before INIT",
               step_of_second(machine, STEP_read_msr, MSR_VM_CR, 0),
               values[0]);
    restart_second(machine);
    svm_expect(test, "VM_CR after INIT",
               step_of_second(machine, STEP_read_msr, MSR_VM_CR, 0),
               values[1]);
}

#define CASE(path_, rule_, run_, ...) \
    { .path = "model-specific-registers/" path_, .rule = rule_, \
      .run = run_, .fails_on_pristine = true, __VA_ARGS__ }

#define LOCK_CASE(path_, run_, arguments_, ...) \
    CASE("svm-lock/" path_, "2: 15.31 (row 54)", run_, \
         .arguments = "-cpu EPYC,svm-lock=on " arguments_, __VA_ARGS__)

static const SVMCase cases[] = {
    CASE("tsc/is-read", "3: RDMSR (row 46)", tsc_is_read),
    CASE("tsc/is-written", "3: WRMSR (row 46)", tsc_is_written),
    CASE("tsc/while-counting", "3: RDMSR (row 46)", tsc_is_read,
         .arguments = "-icount shift=0,sleep=off"),
    CASE("tsc/in-guest", "2: 15.30.5 (row 46)", tsc_in_guest),
    CASE("tsc/written-in-guest", "2: 15.30.5 (row 46)", tsc_written_in_guest),
    CASE("efer/reserved-bits", "2: 3.1.7 (row 46)", efer_reserved_bits),
    CASE("efer/bits-of-features", "2: 3.1.7 (row 46)", efer_bits_of_features,
         .arguments = "-cpu EPYC,syscall=off"),
    CASE("efer/long-mode-while-paging", "2: 14.6.1 (row 46)",
         efer_long_mode_while_paging),
    CASE("efer/reserved-bit-in-guest", "2: 3.1.7 (row 46)",
         efer_reserved_bit_in_guest),
    CASE("efer/without-svm-has-gif", "2: 15.17 (row 46)",
         efer_without_svm_has_gif),
    CASE("vm-cr/bits", "2: 15.30.1 (row 46)", vm_cr_bits),
    CASE("vm-cr/disables-svm", "2: 15.30.1 (row 46)", vm_cr_disables_svm),
    CASE("vm-cr/over-init", "2: 15.30.1 (row 46)", vm_cr_over_init,
         .arguments = "-smp 2",
         .data = &(const uint64_t[]) { VM_CR_SVMDIS | VM_CR_DPD, VM_CR_DPD }),
    LOCK_CASE("holds", lock_holds, ""),
    LOCK_CASE("keeps-svm", lock_keeps_svm, ""),
    LOCK_CASE("key", lock_and_key, ""),
    LOCK_CASE("without-key", lock_without_key, ""),
    LOCK_CASE("over-init", vm_cr_over_init, "-smp 2",
              .data = &(const uint64_t[]) { VM_CR_LOCK | VM_CR_SVMDIS,
                                    VM_CR_LOCK | VM_CR_SVMDIS }),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
