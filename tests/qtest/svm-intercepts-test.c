/*
 * Which instructions and events are intercepted, and by which bit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_GP                13

#define CR4_TSD                 4

#define RFLAGS_IF               0x200

/* One instruction, the intercept that is set, and what has to come of it. */
typedef struct Instruction {
    const char *bytes;
    unsigned length;
    unsigned intercept;
    /* SVM_EXIT_VMMCALL: it is not covered. */
    unsigned exit_code;
    /* Of a 32-bit guest without paging. */
    bool is_32_bit;
    bool is_user;
    uint64_t cr4;
} Instruction;

static void make_user(SVMMachine *machine)
{
    svm_set(machine, VMCB, "cs.attributes", 0xafb);
    svm_set(machine, VMCB, "cs.selector", SELECTOR_CODE_64 | 3);
    svm_set(machine, VMCB, "ss.attributes", 0xcf3);
    svm_set(machine, VMCB, "ss.selector", SELECTOR_DATA | 3);
    svm_set(machine, VMCB, "cpl", 3);
}

static void instruction(SVMMachine *machine, const SVMCase *test)
{
    const Instruction *i = test->data;

    if (i->is_32_bit) {
        svm_prepare_guest_32(machine, GUEST_vmmcall);
    } else {
        svm_prepare_guest(machine, GUEST_vmmcall);
    }
    if (i->is_user) {
        make_user(machine);
        svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    }
    svm_set(machine, VMCB, "cr4", svm_get(machine, VMCB, "cr4") | i->cr4);
    svm_put_code(machine, GUEST_CODE, i->bytes, i->length);
    svm_intercept(machine, i->intercept);
    svm_run(machine);
    svm_expect_exit(machine, test, i->exit_code);
    if (i->exit_code == i->intercept) {
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
    }
}

/* RDTSCP loads ECX, whatever the operand size. */
static void rdtscp_loads_ecx(SVMMachine *machine, const SVMCase *test)
{
    static const uint8_t rdtscp_prefixed[] = { 0x66, 0x0f, 0x01, 0xf9 };

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, rdtscp_prefixed, sizeof(rdtscp_prefixed));
    svm_step(machine, STEP_write_msr, MSR_TSC_AUX, 0x12345678);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, UINT64_MAX);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "RCX", svm_mailbox(machine, MAILBOX_GUEST_RCX),
               0x12345678);
}

/* A virtual interrupt that waits for the guest, with its intercept set. */
typedef struct Priority {
    unsigned priority;
    uint32_t int_ctl;
    bool is_taken;
    /* The guest writes 2 to CR8. */
    const char *bytes;
    unsigned length;
} Priority;

static void priority(SVMMachine *machine, const SVMCase *test)
{
    const Priority *p = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    if (p->bytes) {
        svm_put_code(machine, GUEST_CODE, p->bytes, p->length);
    }
    svm_set(machine, VMCB, "rflags", RFLAGS_IF | 2);
    svm_set(machine, VMCB, "int_ctl", V_IRQ_MASK |
            (p->priority << V_INTR_PRIO_SHIFT) | p->int_ctl);
    svm_set(machine, VMCB, "int_vector", 0x40);
    svm_intercept(machine, SVM_EXIT_VINTR);
    svm_run(machine);
    svm_expect_exit(machine, test, p->is_taken ? SVM_EXIT_VINTR :
                                                 SVM_EXIT_VMMCALL);
    svm_expect(test, "V_IRQ",
               svm_get(machine, VMCB, "int_ctl") & V_IRQ_MASK, V_IRQ_MASK);
    svm_expect(test, "V_TPR", svm_get(machine, VMCB, "int_ctl") & V_TPR_MASK,
               p->bytes ? 2 : p->int_ctl & V_TPR_MASK);
}

/*
 * With the host's IF in charge of physical interrupts, one that waits is
 * taken first.  Its handler then lets virtual interrupts in.
 */
static void survives_physical(SVMMachine *machine, const SVMCase *test)
{
    static const uint8_t handler[] = {
        0xfb,                   /* sti */
        0x90,                   /* nop */
        0xeb, 0x00,             /* jmp to the next instruction */
    };
    uint8_t *gate = svm_ram(machine, SCRATCH + 16 * INTERRUPT_SELF_IPI);

    svm_prepare_guest(machine, GUEST_jump_to_itself);
    svm_put_code(machine, GUEST_CODE, handler, sizeof(handler));
    svm_set(machine, VMCB, "rip",
            svm_guest_address(machine, GUEST_jump_to_itself));
    stw_le_p(gate, GUEST_CODE & 0xffff);
    stw_le_p(gate + 2, SELECTOR_CODE_64);
    stw_le_p(gate + 4, 0x8e00);
    stw_le_p(gate + 6, GUEST_CODE >> 16);
    svm_set(machine, VMCB, "idtr.base", SCRATCH);
    svm_set(machine, VMCB, "int_ctl", V_IRQ_MASK | V_IGN_TPR_MASK |
            V_INTR_MASKING_MASK);
    svm_set(machine, VMCB, "int_vector", 0x40);
    svm_intercept(machine, SVM_EXIT_VINTR);

    svm_step(machine, STEP_enable_apic, 0, 0);
    svm_step(machine, STEP_self_ipi, INTERRUPT_SELF_IPI, 0);
    svm_step(machine, STEP_sti_vmrun, VMCB, 0);
    svm_expect_exit(machine, test, SVM_EXIT_VINTR);
}

/* The interrupt is on its way, and the guest has no stack. */
static void cleared_before_idt(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set_nested_paging(machine, GUEST_CODE, GUEST_CODE);
    svm_set(machine, VMCB, "rflags", RFLAGS_IF | 2);
    svm_set(machine, VMCB, "int_ctl", V_IRQ_MASK | V_IGN_TPR_MASK);
    svm_set(machine, VMCB, "int_vector", 0x40);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "V_IRQ",
               svm_get(machine, VMCB, "int_ctl") & V_IRQ_MASK, 0);
}

#define CODE(bytes_) .bytes = bytes_, .length = sizeof(bytes_) - 1

#define INSTRUCTION(path_, rule_, bytes_, intercept_, exit_code_, ...) \
    .path = "intercepts/" path_, .rule = rule_, .run = instruction, \
    .data = &(const Instruction) { CODE(bytes_), \
        .intercept = SVM_EXIT_##intercept_, \
        .exit_code = SVM_EXIT_##exit_code_, __VA_ARGS__ }

/* A read of a control register, by its own intercept and by CR0's. */
#define CR_READ(name_, bytes_, intercept_, ...) \
    { INSTRUCTION("control-register/read-" name_, "2: 15.8 (row 21)", bytes_, \
                  intercept_, intercept_, __VA_ARGS__), \
      .fails_on_pristine = true }, \
    { INSTRUCTION("control-register/read-" name_ "-is-not-of-cr0", \
                  "2: 15.8 (row 21)", bytes_, READ_CR0, VMMCALL, \
                  __VA_ARGS__), \
      .fails_on_pristine = true }

#define PRIORITY(path_, priority_, int_ctl_, is_taken_, ...) \
    .path = "intercepts/virtual-interrupt/" path_, \
    .rule = "2: 15.21.4 (row 33)", .run = priority, \
    .data = &(const Priority) { priority_, int_ctl_, is_taken_, __VA_ARGS__ }

static const SVMCase cases[] = {
    { INSTRUCTION("control-register/read-cr0", "2: 15.8 (row 21)",
                  "\x0f\x20\xc0", READ_CR0, READ_CR0) },
    CR_READ("cr2", "\x0f\x20\xd0", READ_CR0 + 2),
    CR_READ("cr3", "\x0f\x20\xd8", READ_CR3),
    CR_READ("cr4", "\x0f\x20\xe0", READ_CR4),
    CR_READ("cr8", "\x44\x0f\x20\xc0", READ_CR8),
    CR_READ("cr8-by-lock", "\xf0\x0f\x20\xc0", READ_CR8, .is_32_bit = true),
    {
        INSTRUCTION("rdtscp", "2: 15.9 (row 23)", "\x0f\x01\xf9", RDTSCP,
                    RDTSCP),
        .fails_on_pristine = true,
    }, {
        INSTRUCTION("rdtscp-is-not-rdtsc", "2: 15.9 (row 23)", "\x0f\x01\xf9",
                    RDTSC, VMMCALL),
        .fails_on_pristine = true,
    }, {
        INSTRUCTION("rdtsc-is-not-rdtscp", "2: 15.9 (row 23)", "\x0f\x31",
                    RDTSCP, VMMCALL),
    }, {
        INSTRUCTION("rdtscp-of-user", "2: 15.9 (row 23)", "\x0f\x01\xf9",
                    RDTSCP, EXCP_BASE + FAULT_GP, .is_user = true,
                    .cr4 = CR4_TSD),
    }, {
        .path = "intercepts/rdtscp-loads-ecx",
        .rule = "3: RDTSCP (row 23)",
        .run = rdtscp_loads_ecx,
        .fails_on_pristine = true,
    },
    { PRIORITY("above", 4, 3, true) },
    { PRIORITY("equal", 3, 3, false), .fails_on_pristine = true },
    { PRIORITY("below", 3, 4, false) },
    { PRIORITY("zero", 0, 0, false), .fails_on_pristine = true },
    { PRIORITY("ignores-tpr", 3, 3 | V_IGN_TPR_MASK, true) },
    {
        PRIORITY("write-of-cr8", 3, 3 | V_INTR_MASKING_MASK, true,
                 /* mov $2, %eax; mov %rax, %cr8; nop */
                 CODE("\xb8\x02\x00\x00\x00\x44\x0f\x22\xc0\x90")),
        .fails_on_pristine = true,
    }, {
        .path = "intercepts/virtual-interrupt/survives-physical",
        .rule = "2: 15.21.4 (row 34)",
        .run = survives_physical,
        .fails_on_pristine = true,
    }, {
        .path = "intercepts/virtual-interrupt/cleared-before-idt",
        .rule = "2: 15.21.4 (row 34)",
        .run = cleared_before_idt,
        .fails_on_pristine = true,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
