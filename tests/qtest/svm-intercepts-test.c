/*
 * Which instructions and events are intercepted, and by which bit.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_UD                6
#define FAULT_NP                11
#define FAULT_GP                13

#define CR4_TSD                 4

#define RFLAGS_IF               0x200
#define RFLAGS_NT               0x4000
#define RFLAGS_RF               0x10000

/* One instruction, the intercept that is set, and what has to come of it. */
typedef struct Instruction {
    const char *bytes;
    unsigned length;
    unsigned intercept;
    /* SVM_EXIT_VMMCALL: it is not covered. */
    unsigned exit_code;
    /* Of a 32-bit guest without paging. */
    bool is_32_bit;
    bool is_real_mode;
    bool is_user;
    uint64_t cr4;
    /* One more intercept, of an exit that must not come first. */
    unsigned other_intercept;
    /* What comes before the instruction. */
    unsigned bytes_before;
} Instruction;

static void instruction(SVMMachine *machine, const SVMCase *test)
{
    const Instruction *i = test->data;

    if (i->is_32_bit || i->is_real_mode) {
        svm_prepare_guest_32(machine, GUEST_vmmcall);
    } else {
        svm_prepare_guest(machine, GUEST_vmmcall);
    }
    if (i->is_user) {
        svm_make_user(machine);
        svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    }
    if (i->is_real_mode) {
        svm_set(machine, VMCB, "cr0", 0x10);
    }
    svm_set(machine, VMCB, "cr4", svm_get(machine, VMCB, "cr4") | i->cr4);
    svm_put_code(machine, GUEST_CODE, i->bytes, i->length);
    svm_intercept(machine, i->intercept);
    if (i->other_intercept) {
        svm_intercept(machine, i->other_intercept);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, i->exit_code);
    if (i->exit_code == i->intercept) {
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
                   GUEST_CODE + i->bytes_before);
    }
}

/* RDTSCP loads ECX, whatever the operand size. */
static void rdtscp_loads_ecx(SVMMachine *machine, const SVMCase *test)
{
    static const uint8_t rdtscp_prefixed[] = { 0x66, 0x0f, 0x01, 0xf9 };

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, rdtscp_prefixed,
                 sizeof(rdtscp_prefixed));
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

/* STGI and CLGI in the host, without EFER.SVME; SKINIT with it. */
static void undefined_in_host(SVMMachine *machine, const SVMCase *test)
{
    const SVMStep *step = test->data;

    svm_step(machine, STEP_write_msr, MSR_EFER, EFER_HOST & ~0x1000);
    svm_step(machine, *step, 0, 0);
    svm_expect_fault(machine, test, FAULT_UD, 0);
}

/*
 * Task switches of a 32-bit guest.  Its GDT has two tasks of its own: the one
 * that it starts in, and another one, which does VMMCALL.
 */
#define TABLE                   (GUEST_DATA + 0x800)
#define GATES                   (GUEST_DATA + 0x1000)
#define TASK                    (GUEST_DATA + 0x2000)
#define OTHER_TASK              (GUEST_DATA + 0x2100)

#define SELECTOR_TASK           0x40
#define SELECTOR_OTHER_TASK     0x48
#define SELECTOR_TASK_GATE      0x50

#define TASK_AVAILABLE          0x89
#define TASK_BUSY               0x8b
#define TASK_NOT_PRESENT        0x09
#define GATE_OF_TASK            0x85

#define VECTOR_TASK_GATE        0x40

typedef struct TaskSwitch {
    const char *bytes;
    unsigned length;
    /* Without code: an event that reaches the guest from outside. */
    bool is_virtual_interrupt;
    uint32_t event_inj;
    uint32_t event_inj_err;
    /* The vector that has a task gate. */
    unsigned vector;
    unsigned other_task;
    uint64_t rflags;
    /* What has to come of it; SVM_EXIT_TASK_SWITCH if not said. */
    unsigned exit_code;
    uint64_t exit_info_2;
    uint32_t exit_int_info;
    bool not_intercepted;
} TaskSwitch;

static void put_descriptor(SVMMachine *machine, unsigned selector,
                           uint32_t base, uint16_t limit, uint8_t access)
{
    uint8_t *descriptor = svm_ram(machine, TABLE + selector);

    stl_le_p(descriptor, base << 16 | limit);
    stl_le_p(descriptor + 4, (base & 0xff000000) | access << 8 |
             (base >> 16 & 0xff));
}

static void put_task_gate(uint8_t *gate)
{
    stl_le_p(gate, SELECTOR_OTHER_TASK << 16);
    stl_le_p(gate + 4, GATE_OF_TASK << 8);
}

static void prepare_tasks(SVMMachine *machine, const TaskSwitch *t)
{
    uint8_t *other = svm_ram(machine, OTHER_TASK);

    memcpy(svm_ram(machine, TABLE), svm_ram(machine, GLOBAL_DESCRIPTORS),
           SELECTOR_TASK);
    put_descriptor(machine, SELECTOR_TASK, TASK, 0x67, TASK_BUSY);
    put_descriptor(machine, SELECTOR_OTHER_TASK, OTHER_TASK, 0x67,
                   t->other_task ?: TASK_AVAILABLE);
    put_task_gate(svm_ram(machine, TABLE + SELECTOR_TASK_GATE));
    put_task_gate(svm_ram(machine, GATES + 8 * t->vector));
    svm_set(machine, VMCB, "gdtr.base", TABLE);
    svm_set(machine, VMCB, "idtr.base", GATES);

    /* For IRET: the task that this one was called from. */
    stw_le_p(svm_ram(machine, TASK), SELECTOR_OTHER_TASK);
    stl_le_p(other + 0x20, svm_guest_address(machine, GUEST_vmmcall));
    stl_le_p(other + 0x24, 2);
    stl_le_p(other + 0x38, GUEST_STACK_TOP);
    stl_le_p(other + 0x48, SELECTOR_DATA);
    stl_le_p(other + 0x4c, SELECTOR_CODE_32);
    stl_le_p(other + 0x50, SELECTOR_DATA);
    stl_le_p(other + 0x54, SELECTOR_DATA);

    svm_step(machine, STEP_vmsave, VMCB, 0);
    svm_set(machine, VMCB, "tr.selector", SELECTOR_TASK);
    svm_set(machine, VMCB, "tr.base", TASK);
    svm_set(machine, VMCB, "tr.limit", 0x67);
    svm_set(machine, VMCB, "tr.attributes", TASK_BUSY);
    svm_step(machine, STEP_vmload, VMCB, 0);
}

static void task_switch(SVMMachine *machine, const SVMCase *test)
{
    const TaskSwitch *t = test->data;
    unsigned exit_code = t->exit_code ?: SVM_EXIT_TASK_SWITCH;
    g_autofree uint8_t *tables = NULL;
    g_autofree uint8_t *tasks = NULL;

    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, t->bytes ?: "", t->length);
    prepare_tasks(machine, t);
    svm_set(machine, VMCB, "rflags", t->rflags | 2);
    svm_set(machine, VMCB, "event_inj", t->event_inj);
    svm_set(machine, VMCB, "event_inj_err", t->event_inj_err);
    svm_set(machine, VMCB, "exit_info_2", 0x5555);
    if (t->is_virtual_interrupt) {
        svm_set(machine, VMCB, "int_ctl", V_IRQ_MASK | V_IGN_TPR_MASK);
        svm_set(machine, VMCB, "int_vector", t->vector);
    }
    if (!t->not_intercepted) {
        svm_intercept(machine, SVM_EXIT_TASK_SWITCH);
    }
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_NP);
    svm_intercept(machine, SVM_EXIT_SHUTDOWN);
    tables = svm_copy_page(machine, TABLE & -PAGE);
    tasks = svm_copy_page(machine, TASK & -PAGE);
    svm_run(machine);

    svm_expect_exit(machine, test, exit_code);
    if (svm_is_lost(machine) || exit_code != SVM_EXIT_TASK_SWITCH) {
        return;
    }
    svm_expect(test, "EXITINFO1, the selector",
               svm_get(machine, VMCB, "exit_info_1"), SELECTOR_OTHER_TASK);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               t->exit_info_2);
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               t->exit_int_info);
    svm_expect(test, "EXITINTINFO's error code",
               svm_get(machine, VMCB, "exit_int_info_err"),
               (uint32_t)t->exit_info_2);
    svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"), 0);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
    svm_expect(test, "CR0", svm_get(machine, VMCB, "cr0"), 0x11);
    svm_expect(test, "RFLAGS", svm_get(machine, VMCB, "rflags"),
               t->rflags | 2);
    svm_expect_that(test, !memcmp(tables, svm_ram(machine, TABLE & -PAGE),
                                  PAGE), "the GDT was written");
    svm_expect_that(test, !memcmp(tasks, svm_ram(machine, TASK & -PAGE), PAGE),
                    "a TSS was written");
}

#define CODE(bytes_) .bytes = bytes_, .length = sizeof(bytes_) - 1

#define INSTRUCTION(path_, rule_, bytes_, intercept_, exit_code_, ...) \
    .path = "intercepts/" path_, .rule = rule_, .run = instruction, \
    .data = &(const Instruction) { CODE(bytes_), \
        .intercept = SVM_EXIT_##intercept_, \
        .exit_code = SVM_EXIT_##exit_code_, __VA_ARGS__ }

/* A read of a control register, with its own intercept or CR0's. */
#define CR_READ(name_, bytes_, intercept_, exit_code_, ...) \
    { INSTRUCTION("control-register/read-" name_, "2: 15.8 (row 21)", bytes_, \
                  intercept_, exit_code_, __VA_ARGS__), \
      .fails_on_pristine = true }

#define PRIORITY(path_, priority_, int_ctl_, is_taken_, ...) \
    .path = "intercepts/virtual-interrupt/" path_, \
    .rule = "2: 15.21.4 (row 33)", .run = priority, \
    .data = &(const Priority) { priority_, int_ctl_, is_taken_, __VA_ARGS__ }

#define CR0_WRITE(path_, bytes_, intercept_, exit_code_, ...) \
    INSTRUCTION("cr0-write/" path_, "2: 15.9 (row 27)", bytes_, intercept_, \
                exit_code_, __VA_ARGS__)

#define TASK_SWITCH(path_, ...) \
    { .path = "intercepts/task-switch/" path_, \
      .rule = "2: 15.14.1 (row 24)", .run = task_switch, \
      .fails_on_pristine = true, \
      .data = &(const TaskSwitch) { __VA_ARGS__ } }
/* What happens without the intercept, and before it is looked at. */
#define TASK_SWITCH_OTHER(path_, ...) \
    { .path = "intercepts/task-switch/" path_, \
      .rule = "2: 15.14.1 (row 24)", .run = task_switch, \
      .data = &(const TaskSwitch) { __VA_ARGS__ } }

#define JUMP_TO_SEGMENT(selector_) CODE("\xea\x00\x00\x00\x00" selector_)
#define JUMP_TO(selector_)  JUMP_TO_SEGMENT(selector_ "\x00")
#define CALL_TO(selector_)  CODE("\x9a\x00\x00\x00\x00" selector_ "\x00")
#define OTHER_TASK_ITSELF   "\x48"
#define ITS_GATE            "\x50"

#define REASON_IRET         (1ULL << 36)
#define REASON_JUMP         (1ULL << 38)
#define HAS_ERROR_CODE      (1ULL << 44)
#define SAVES_RF            (1ULL << 48)

static const SVMCase cases[] = {
    { INSTRUCTION("control-register/read-cr0", "2: 15.8 (row 21)",
                  "\x0f\x20\xc0", READ_CR0, READ_CR0) },
    CR_READ("cr2", "\x0f\x20\xd0", READ_CR0 + 2, READ_CR0 + 2),
    CR_READ("cr2-is-not-of-cr0", "\x0f\x20\xd0", READ_CR0, VMMCALL),
    CR_READ("cr3", "\x0f\x20\xd8", READ_CR3, READ_CR3),
    CR_READ("cr3-is-not-of-cr0", "\x0f\x20\xd8", READ_CR0, VMMCALL),
    CR_READ("cr4", "\x0f\x20\xe0", READ_CR4, READ_CR4),
    CR_READ("cr4-is-not-of-cr0", "\x0f\x20\xe0", READ_CR0, VMMCALL),
    CR_READ("cr8", "\x44\x0f\x20\xc0", READ_CR8, READ_CR8),
    CR_READ("cr8-is-not-of-cr0", "\x44\x0f\x20\xc0", READ_CR0, VMMCALL),
    CR_READ("cr8-by-lock", "\xf0\x0f\x20\xc0", READ_CR8, READ_CR8,
            .is_32_bit = true),
    CR_READ("cr8-by-lock-is-not-of-cr0", "\xf0\x0f\x20\xc0", READ_CR0,
            VMMCALL, .is_32_bit = true),
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
    /* LMSW of 3, which is what CR0 has; of Bh, which sets TS. */
    { CR0_WRITE("lmsw-same", "\xb8\x03\x00\x00\x00\x0f\x01\xf0",
                CR0_SEL_WRITE, CR0_SEL_WRITE,
                .bytes_before = 5), .fails_on_pristine = true },
    { CR0_WRITE("lmsw-ts", "\xb8\x0b\x00\x00\x00\x0f\x01\xf0",
                CR0_SEL_WRITE, CR0_SEL_WRITE,
                .bytes_before = 5), .fails_on_pristine = true },
    { CR0_WRITE("lmsw-em", "\xb8\x07\x00\x00\x00\x0f\x01\xf0",
                CR0_SEL_WRITE, CR0_SEL_WRITE,
                .bytes_before = 5) },
    { CR0_WRITE("lmsw-plain-first", "\xb8\x07\x00\x00\x00\x0f\x01\xf0",
                WRITE_CR0, WRITE_CR0,
                .other_intercept = SVM_EXIT_CR0_SEL_WRITE,
                .bytes_before = 5) },
    { CR0_WRITE("clts", "\x0f\x06", CR0_SEL_WRITE, VMMCALL) },
    { CR0_WRITE("clts-plain", "\x0f\x06", WRITE_CR0, WRITE_CR0,
                .other_intercept = SVM_EXIT_CR0_SEL_WRITE) },
    /* mov %cr0, %rax; xor $..., %eax; mov %rax, %cr0 */
    { CR0_WRITE("mov-ts-mp",
                "\x0f\x20\xc0\x83\xf0\x0a\x0f\x22\xc0",
                CR0_SEL_WRITE, VMMCALL,
                .bytes_before = 6) },
    { CR0_WRITE("mov-em",
                "\x0f\x20\xc0\x83\xf0\x04\x0f\x22\xc0",
                CR0_SEL_WRITE, CR0_SEL_WRITE,
                .bytes_before = 6) },
    { CR0_WRITE("mov-plain-first",
                "\x0f\x20\xc0\x83\xf0\x04\x0f\x22\xc0",
                WRITE_CR0, WRITE_CR0,
                .other_intercept = SVM_EXIT_CR0_SEL_WRITE,
                .bytes_before = 6) },
    {
        INSTRUCTION("skinit", "3: SKINIT (row 43)", "\x0f\x01\xde",
                    EXCP_BASE + FAULT_UD, EXCP_BASE + FAULT_UD,
                    .other_intercept = SVM_EXIT_SKINIT),
        .fails_on_pristine = true,
    }, {
        INSTRUCTION("skinit-of-user", "3: SKINIT (row 44)", "\x0f\x01\xde",
                    EXCP_BASE + FAULT_UD, EXCP_BASE + FAULT_UD,
                    .other_intercept = SVM_EXIT_SKINIT, .is_user = true),
        .fails_on_pristine = true,
    }, {
        INSTRUCTION("stgi-of-user", "3: STGI (row 44)", "\x0f\x01\xdc",
                    STGI, EXCP_BASE + FAULT_GP, .is_user = true),
    }, {
        INSTRUCTION("clgi-of-user", "3: CLGI (row 44)", "\x0f\x01\xdd",
                    CLGI, EXCP_BASE + FAULT_GP, .is_user = true),
    }, {
        INSTRUCTION("stgi-in-real-mode", "3: STGI (row 44)", "\x0f\x01\xdc",
                    STGI, EXCP_BASE + FAULT_UD, .is_real_mode = true,
                    .other_intercept = SVM_EXIT_EXCP_BASE + FAULT_UD),
    }, {
        INSTRUCTION("clgi-in-real-mode", "3: CLGI (row 44)", "\x0f\x01\xdd",
                    CLGI, EXCP_BASE + FAULT_UD, .is_real_mode = true,
                    .other_intercept = SVM_EXIT_EXCP_BASE + FAULT_UD),
    }, {
        .path = "intercepts/stgi-without-svme",
        .rule = "3: STGI (row 44)",
        .run = undefined_in_host,
        .data = &(const SVMStep) { STEP_stgi },
    }, {
        .path = "intercepts/clgi-without-svme",
        .rule = "3: CLGI (row 44)",
        .run = undefined_in_host,
        .data = &(const SVMStep) { STEP_clgi },
    },
    TASK_SWITCH("jump", JUMP_TO(OTHER_TASK_ITSELF),
                .exit_info_2 = REASON_JUMP),
    TASK_SWITCH("jump-through-gate", JUMP_TO(ITS_GATE),
                .exit_info_2 = REASON_JUMP),
    TASK_SWITCH("call", CALL_TO(OTHER_TASK_ITSELF)),
    TASK_SWITCH("call-through-gate", CALL_TO(ITS_GATE)),
    TASK_SWITCH("iret", CODE("\xcf"), .rflags = RFLAGS_NT,
                .other_task = TASK_BUSY, .exit_info_2 = REASON_IRET),
    TASK_SWITCH("int-n", CODE("\xcd\x40"), .vector = VECTOR_TASK_GATE,
                .exit_int_info = 0x80000440),
    TASK_SWITCH("undefined", CODE("\x0f\x0b"), .vector = FAULT_UD,
                .exit_info_2 = SAVES_RF, .exit_int_info = 0x80000306),
    /* A selector beyond the GDT. */
    TASK_SWITCH("protection", JUMP_TO_SEGMENT("\x08\xd9"),
                .vector = FAULT_GP,
                .exit_info_2 = SAVES_RF | HAS_ERROR_CODE | 0xd908,
                .exit_int_info = 0x80000b0d),
    TASK_SWITCH("virtual-interrupt", .vector = VECTOR_TASK_GATE,
                .is_virtual_interrupt = true, .rflags = RFLAGS_IF,
                .exit_int_info = 0x80000040),
    TASK_SWITCH("injected-interrupt", .vector = VECTOR_TASK_GATE,
                .event_inj = 0x80000040, .exit_int_info = 0x80000040),
    TASK_SWITCH("injected-exception", .vector = FAULT_GP,
                .event_inj = 0x80000b0d, .event_inj_err = 0x1234,
                .exit_info_2 = SAVES_RF | HAS_ERROR_CODE | 0x1234,
                .exit_int_info = 0x80000b0d),
    TASK_SWITCH("flag-of-resumption", JUMP_TO(OTHER_TASK_ITSELF),
                .rflags = RFLAGS_RF, .exit_info_2 = REASON_JUMP | SAVES_RF),
    TASK_SWITCH_OTHER("not-intercepted", JUMP_TO(OTHER_TASK_ITSELF),
                      .not_intercepted = true, .exit_code = SVM_EXIT_VMMCALL),
    TASK_SWITCH_OTHER("not-present", JUMP_TO(OTHER_TASK_ITSELF),
                      .other_task = TASK_NOT_PRESENT,
                      .exit_code = SVM_EXIT_EXCP_BASE + FAULT_NP),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
