/*
 * What is a #VMEXIT and what is not, and the guest state that it stores.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_UD                6
#define FAULT_GP                13

/* MOV to CR3 or CR4 of what they cannot hold. */
typedef struct ReservedBits {
    SVMStep step;
    uint64_t value;
    bool after_vmrun;
} ReservedBits;

static void reserved_bits_in_host(SVMMachine *machine, const SVMCase *test)
{
    const ReservedBits *bits = test->data;
    g_autofree uint8_t *vmcb = NULL;
    g_autofree uint8_t *page_0 = NULL;
    uint64_t returns = 0;

    svm_prepare_guest(machine, GUEST_vmmcall);
    if (bits->after_vmrun) {
        svm_run(machine);
        returns = 1;
    }
    vmcb = svm_copy_page(machine, VMCB);
    page_0 = svm_copy_page(machine, 0);
    svm_step(machine, bits->step, 0, bits->value);
    svm_expect_fault(machine, test, FAULT_GP, 0);
    svm_expect(test, "times that VMRUN ended",
               svm_mailbox(machine, MAILBOX_VMRUN_RETURNS), returns);
    svm_expect_that(test, !memcmp(vmcb, svm_ram(machine, VMCB), PAGE),
                    "the VMCB was written");
    svm_expect_that(test, !memcmp(page_0, svm_ram(machine, 0), PAGE),
                    "memory at 0 was written");
}

static void reserved_bits_in_guest(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_reserved_cr4);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0x8620);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "vector that the guest saw",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), FAULT_GP);
}

/*
 * A guest in user mode takes an exception, which needs a stack from its TSS.
 * TR is what VMLOAD made of it.
 */
typedef struct TaskRegister {
    bool is_32_bit;
    uint16_t attributes;
    uint32_t limit;
} TaskRegister;

#define TASK_STATE              GUEST_DATA
#define INTERRUPT_TABLE         (GUEST_DATA + 0x800)
#define EXCEPTION_STACK         (GUEST_STACK_TOP - 0x100)

/* With a table in which the exception's handler is a program of its own. */
static void prepare_user_32(SVMMachine *machine)
{
    uint64_t handler = svm_guest_address(machine, GUEST_vmmcall);
    uint8_t *gate = svm_ram(machine, INTERRUPT_TABLE + 8 * FAULT_UD);

    svm_prepare_guest_32(machine, GUEST_undefined);
    stw_le_p(gate, handler);
    stw_le_p(gate + 2, SELECTOR_CODE_32);
    stw_le_p(gate + 4, 0x8e00);
    stw_le_p(gate + 6, handler >> 16);
    stl_le_p(svm_ram(machine, TASK_STATE + 4), EXCEPTION_STACK);
    stl_le_p(svm_ram(machine, TASK_STATE + 8), SELECTOR_DATA);
    svm_set(machine, VMCB, "idtr.base", INTERRUPT_TABLE);
}

static void prepare_user_64(SVMMachine *machine)
{
    svm_prepare_guest(machine, GUEST_undefined);
    stq_le_p(svm_ram(machine, TASK_STATE + 4), EXCEPTION_STACK);
}

static void load_task_register(SVMMachine *machine, const TaskRegister *tr)
{
    svm_step(machine, STEP_vmsave, VMCB, 0);
    svm_set(machine, VMCB, "tr.base", TASK_STATE);
    svm_set(machine, VMCB, "tr.limit", tr->limit);
    svm_set(machine, VMCB, "tr.attributes", tr->attributes);
    svm_step(machine, STEP_vmload, VMCB, 0);
}

static void stack_from_task_state(SVMMachine *machine, const SVMCase *test)
{
    const TaskRegister *tr = test->data;
    uint64_t exit_code;

    if (tr->is_32_bit) {
        prepare_user_32(machine);
    } else {
        prepare_user_64(machine);
    }
    svm_make_user(machine);
    svm_intercept(machine, SVM_EXIT_SHUTDOWN);
    load_task_register(machine, tr);
    svm_run(machine);
    if (svm_is_lost(machine)) {
        return;
    }
    exit_code = svm_get(machine, VMCB, "exit_code");
    if ((tr->attributes | 2) == 0x8b && tr->limit >= 0x67) {
        svm_expect(test, "EXITCODE", exit_code, SVM_EXIT_VMMCALL);
        svm_expect(test, "the guest's page of the stack",
                   svm_get(machine, VMCB, "rsp") & -PAGE,
                   EXCEPTION_STACK & -PAGE);
        svm_expect(test, "CPL", svm_get(machine, VMCB, "cpl"), 0);
    } else {
        /* Either uses base and limit as they are, or gives up. */
        svm_expect_that(test, exit_code == SVM_EXIT_VMMCALL ||
                        exit_code == SVM_EXIT_SHUTDOWN, "EXITCODE is 0x%"
                        PRIx64 ", has to be 0x%x or 0x%x", exit_code,
                        SVM_EXIT_VMMCALL, SVM_EXIT_SHUTDOWN);
    }
}

/* The TSS says which ports a user may use: all of them. */
static void ports_from_task_state(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_write_memory_read_port);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, SCRATCH);
    svm_make_user(machine);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    stw_le_p(svm_ram(machine, TASK_STATE + 0x66), 0x68);
    load_task_register(machine, test->data);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

/* CPL is its own field: here it is not SS.DPL. */
static void cpl_is_a_field(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_read_cr0);
    svm_set(machine, VMCB, "cs.attributes", 0xafb);
    svm_set(machine, VMCB, "cs.selector", SELECTOR_CODE_64 | 3);
    svm_set(machine, VMCB, "cpl", 3);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_expect(test, "CPL that #VMEXIT stores", svm_get(machine, VMCB, "cpl"),
               3);
}

static void cpl_of_real_mode(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "cr0", 0x10);
    svm_set(machine, VMCB, "cpl", 3);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "CPL that #VMEXIT stores", svm_get(machine, VMCB, "cpl"),
               0);
}

/* EFER.LMA follows from LME and CR0.PG, whatever the VMCB says. */
static void long_mode_is_computed(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_read_cr0);
    svm_set(machine, VMCB, "efer", EFER_HOST & ~0x400);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "CR0 that the guest reads",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), CR0_HOST);
    svm_expect(test, "EFER that #VMEXIT stores",
               svm_get(machine, VMCB, "efer"), EFER_HOST);
}

/* Bits that no guest can see another way. */
static void fixed_bits_of_debug_registers(SVMMachine *machine,
                                          const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_read_drs);
    svm_set(machine, VMCB, "dr6", 0);
    svm_set(machine, VMCB, "dr7", 0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "DR6 that the guest reads",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), 0xffff0ff0);
    svm_expect(test, "DR7 that the guest reads",
               svm_mailbox(machine, MAILBOX_GUEST_RCX), 0x400);
    svm_expect(test, "DR6 that #VMEXIT stores", svm_get(machine, VMCB, "dr6"),
               0xffff0ff0);
}

static void reserved_bits_of_rflags(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_read_flags);
    svm_set(machine, VMCB, "rflags", 0xffffffff8000802a);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "RFLAGS that the guest reads",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), 2);
    svm_expect(test, "RFLAGS that #VMEXIT stores",
               svm_get(machine, VMCB, "rflags"), 2);
}

/* Tables cannot be longer than that. */
static void table_limits_have_16_bits(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "gdtr.limit",
            0x120000 | (GLOBAL_DESCRIPTORS_SIZE - 1));
    svm_set(machine, VMCB, "idtr.limit", 0x340fff);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "GDTR limit that #VMEXIT stores",
               svm_get(machine, VMCB, "gdtr.limit"),
               GLOBAL_DESCRIPTORS_SIZE - 1);
    svm_expect(test, "IDTR limit that #VMEXIT stores",
               svm_get(machine, VMCB, "idtr.limit"), 0xfff);
}

/* The bit at @bit_at, and it alone, is set in the map. */
typedef struct PermissionMap {
    SVMGuest guest;
    const char *base_name;
    uint64_t base;
    uint64_t rcx;
    uint64_t bit_at;
    uint32_t exit_code;
} PermissionMap;

static void permission_map(SVMMachine *machine, const SVMCase *test)
{
    const PermissionMap *map = test->data;

    svm_prepare_guest(machine, map->guest);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, SCRATCH);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, map->rcx);
    svm_set(machine, VMCB, map->base_name, map->base);
    svm_intercept(machine, map->exit_code);
    *(uint8_t *)svm_ram(machine, map->bit_at) = 1;
    svm_run(machine);
    svm_expect_exit(machine, test, map->exit_code);
}

/*
 * A map that lies on a device, at a register whose value takes the time, while
 * instructions are counted: any answer will do.
 */
#define DEVICE                  "-device intel-hda,addr=5 -icount shift=0"
#define DEVICE_CONFIGURATION    0x80002800
#define DEVICE_MEMORY           0xe0000000
#define DEVICE_CLOCK            0x30

static void set_device_register(SVMMachine *machine, unsigned reg,
                                uint32_t value)
{
    qtest_outl(svm_qtest(machine), 0xcf8, DEVICE_CONFIGURATION | reg);
    qtest_outl(svm_qtest(machine), 0xcfc, value);
}

static void map_device(SVMMachine *machine)
{
    set_device_register(machine, 0x10, DEVICE_MEMORY);
    set_device_register(machine, 0x04, 2);
}

static void permission_map_on_device(SVMMachine *machine, const SVMCase *test)
{
    /* mov $DEVICE_CLOCK * 8, %dx; in (%dx), %al; vmmcall */
    static const uint8_t read_port[] = {
        0x66, 0xba, 0x80, 0x01, 0xec, 0x0f, 0x01, 0xd9
    };
    const PermissionMap *map = test->data;
    uint64_t exit_code;

    map_device(machine);
    svm_prepare_guest(machine, map->guest);
    if (map->exit_code == SVM_EXIT_IOIO) {
        memcpy(svm_ram(machine, GUEST_DATA), read_port, sizeof(read_port));
        svm_set(machine, VMCB, "rip", GUEST_DATA);
    }
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, map->rcx);
    svm_set(machine, VMCB, map->base_name, map->base);
    svm_intercept(machine, map->exit_code);
    svm_run(machine);
    exit_code = svm_get(machine, VMCB, "exit_code");
    svm_expect_that(test, exit_code == SVM_EXIT_VMMCALL ||
                    exit_code == map->exit_code,
                    "EXITCODE is 0x%" PRIx64 ", has to be 0x%x or 0x%x",
                    exit_code, SVM_EXIT_VMMCALL, map->exit_code);
}

/*
 * An event of the guest's own on its way to a handler, and a stack in a page
 * that the host does not give it.
 */
typedef struct OwnEvent {
    uint8_t instruction[2];
    bool is_virtual_interrupt;
    uint32_t info;
} OwnEvent;

static void own_event(SVMMachine *machine, const SVMCase *test)
{
    const OwnEvent *event = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    memcpy(svm_ram(machine, GUEST_DATA), event->instruction, 2);
    svm_set(machine, VMCB, "rip", GUEST_DATA);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    if (event->is_virtual_interrupt) {
        svm_set(machine, VMCB, "rflags", 0x202);
        svm_set(machine, VMCB, "int_ctl", V_IRQ_MASK | V_IGN_TPR_MASK);
        svm_set(machine, VMCB, "int_vector", event->info & 0xff);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               event->info);
}

/*
 * The entries that CR3 points to in PAE mode lie there: whatever they say, the
 * processor may find them illegal or run wild, and nothing else ends.
 */
#define DEVICE_PDPTES           (DEVICE_MEMORY + DEVICE_CLOCK - 0x10)

static void host_pdptes_on_device(SVMMachine *machine, const SVMCase *test)
{
    map_device(machine);
    svm_step_begin(machine, 0, STEP_write_cr3, 0, DEVICE_PDPTES);
    svm_expect_emulator_survives(machine, test);
}

static void guest_pdptes_on_device(SVMMachine *machine, const SVMCase *test)
{
    map_device(machine);
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "cr0", 0x80000011);
    svm_set(machine, VMCB, "cr4", 0x20);
    svm_set(machine, VMCB, "cr3", DEVICE_PDPTES);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    svm_expect_emulator_survives(machine, test);
}

/* An intercepted #GP has no EXITINFO2. */
static void general_protection_has_no_address(SVMMachine *machine,
                                              const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_read_memory);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0x1234567812345678);
    svm_set(machine, VMCB, "cr2", 0x4444);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_expect(test, "EXITINFO1, the error code",
               svm_get(machine, VMCB, "exit_info_1"), 0);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"), 0);
}

/*
 * An SMI that nobody intercepts: the handler is outside of the guest. The
 * handler, at SMBASE + 8000h, does what the guest's intercepts cover.
 */
#define SMM_HANDLER             0x38000
#define SMM_COUNTER             0x39000
#define APIC_SMI_TO_ITSELF      0x44200

static void smi_in_guest(SVMMachine *machine, const SVMCase *test)
{
    uint64_t efer = svm_step(machine, STEP_read_msr, MSR_EFER, 0);
    static const uint8_t handler[] = {
        0xe6, 0x80,                     /* out    %al, $0x80 */
        0x2e, 0xff, 0x06, 0x00, 0x90,   /* incw   %cs:0x9000 */
        0x0f, 0xaa,                     /* rsm */
    };
    uint16_t *counter = (uint16_t *)svm_ram(machine, SMM_COUNTER);

    memcpy(svm_ram(machine, SMM_HANDLER), handler, sizeof(handler));
    svm_step(machine, STEP_enable_apic, 0, 0);
    /* The jump gives the emulator an instruction boundary to take it at. */
    svm_prepare_guest(machine, GUEST_write_32_bits_jump);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, 0xfee00300);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, APIC_SMI_TO_ITSELF);
    memset(svm_ram(machine, IO_MAP), 0xff, PAGE);
    svm_intercept(machine, SVM_EXIT_IOIO);
    svm_intercept(machine, SVM_EXIT_RSM);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect_that(test, lduw_le_p(counter) > 0, "no SMI was handled");
    svm_expect(test, "RBX of the guest",
               svm_mailbox(machine, MAILBOX_GUEST_RBX), 0xfee00300);
    svm_expect(test, "EFER of the host",
               svm_step(machine, STEP_read_msr, MSR_EFER, 0), efer);
}

/* Wait until @words are in the answer to `info svm`, or give up. */
static bool monitor_says(SVMMachine *machine, const char *words)
{
    int tries;

    for (tries = 0; tries < 100; tries++) {
        g_autofree char *answer = qtest_hmp(svm_qtest(machine), "info svm");

        if (strstr(answer, words)) {
            return true;
        }
        g_usleep(50 * 1000);
    }
    return false;
}

static void leave_guest_by_nmi(SVMMachine *machine, const SVMCase *test,
                               uint64_t host_cr0)
{
    /* What a device sends as a message: an NMI for every processor. */
    qtest_writel(svm_qtest(machine), 0xfeeff000, 0x400);
    svm_step_end(machine, 0, 20);
    svm_expect_exit(machine, test, SVM_EXIT_NMI);
    svm_expect(test, "CPL that #VMEXIT stores", svm_get(machine, VMCB, "cpl"),
               0);
    svm_expect(test, "CR0 of the host",
               svm_step(machine, STEP_read_cr0, 0, 0), host_cr0);
}

/*
 * A snapshot taken inside a guest leads back into the guest. CPL differs from
 * SS.DPL there, as it may.
 */
static void snapshot_inside_guest(SVMMachine *machine, const SVMCase *test)
{
    const bool *nested_paging = test->data;
    uint64_t host_cr0 = svm_step(machine, STEP_read_cr0, 0, 0);
    g_autofree char *saved = NULL;
    g_autofree char *loaded = NULL;

    svm_add_snapshot_disk(machine);
    svm_prepare_guest(machine, GUEST_jump_to_itself);
    svm_set(machine, VMCB, "ss.attributes", 0xcf3);
    if (*nested_paging) {
        svm_set_nested_paging(machine, GUEST_DATA, GUEST_STACK_TOP);
    }
    svm_intercept(machine, SVM_EXIT_NMI);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    svm_expect_that(test, monitor_says(machine, "in a guest"),
                    "the guest does not run");

    saved = qtest_hmp(svm_qtest(machine), "savevm inside");
    svm_expect_that(test, !*saved, "savevm: %s", saved);
    leave_guest_by_nmi(machine, test, host_cr0);
    if (svm_is_lost(machine)) {
        return;
    }

    loaded = qtest_hmp(svm_qtest(machine), "loadvm inside");
    svm_expect_that(test, !*loaded, "loadvm: %s", loaded);
    if (*loaded) {
        return;
    }
    svm_expect_that(test, monitor_says(machine, "in a guest"),
                    "the guest does not run after loadvm");
    leave_guest_by_nmi(machine, test, host_cr0);
}

#define RESERVED_BITS(path_, step, value, after_vmrun) \
    { .path = "vmexit/reserved-bits-in-host/" path_, \
      .rule = "2: 3.1.2, 3.1.3 (row 3)", .run = reserved_bits_in_host, \
      .fails_on_pristine = true, \
      .data = &(const ReservedBits) { step, value, after_vmrun } }
#define TASK_REGISTER(path_, is_32_bit, attributes, limit, fails) \
    { .path = "vmexit/stack-from-task-state/" path_, \
      .rule = "3: VMLOAD (row 15)", .run = stack_from_task_state, \
      .fails_on_pristine = fails, \
      .data = &(const TaskRegister) { is_32_bit, attributes, limit } }

#define OWN_EVENT(path_, fails, ...) \
    { .path = "vmexit/own-event-comes-back/" path_, \
      .rule = "2: 15.7.2 (row 30)", .run = own_event, \
      .fails_on_pristine = fails, .data = &(const OwnEvent) { __VA_ARGS__ } }

static const SVMCase cases[] = {
    OWN_EVENT("exception", false, { 0x0f, 0x0b }, false, 0x80000306),
    /* As an exception this vector would have an error code. */
    OWN_EVENT("software-interrupt", true, { 0xcd, 13 }, false, 0x8000040d),
    /* A jump to itself: the interrupt is there before it. */
    OWN_EVENT("virtual-interrupt", true, { 0xeb, 0xfe }, true, 0x80000040),
    RESERVED_BITS("cr4", STEP_write_cr4, 0x8620, true),
    RESERVED_BITS("cr3", STEP_write_cr3, HOST_PML4 | 1ULL << 52, true),
    RESERVED_BITS("cr4-before-vmrun", STEP_write_cr4, 0x8620, false),
    RESERVED_BITS("cr3-before-vmrun", STEP_write_cr3,
                  HOST_PML4 | 1ULL << 52, false),
    {
        .path = "vmexit/reserved-bits-in-guest",
        .rule = "2: 3.1.3 (row 3)",
        .run = reserved_bits_in_guest,
        .fails_on_pristine = true,
    },
    TASK_REGISTER("busy", false, 0x8b, 0x67, false),
    TASK_REGISTER("available", false, 0x89, 0x67, false),
    TASK_REGISTER("null", false, 0, 0x67, true),
    TASK_REGISTER("ldt", false, 0x82, 0x67, false),
    TASK_REGISTER("limit-0", false, 0x8b, 0, false),
    TASK_REGISTER("available-32-bit", true, 0x89, 0x67, false),
    TASK_REGISTER("busy-32-bit", true, 0x8b, 0x67, true),
    TASK_REGISTER("null-32-bit", true, 0, 0x67, true),
    TASK_REGISTER("ldt-32-bit", true, 0x82, 0x67, true),
    TASK_REGISTER("limit-0-32-bit", true, 0x89, 0, false),
    {
        .path = "vmexit/ports-from-task-state/available",
        .rule = "2: 12.2.4; 3: VMLOAD (row 15)",
        .run = ports_from_task_state,
        .data = &(const TaskRegister) { false, 0x89, 0xff },
    }, {
        .path = "vmexit/ports-from-task-state/busy",
        .rule = "2: 12.2.4; 3: VMLOAD (row 15)",
        .run = ports_from_task_state,
        .fails_on_pristine = true,
        .data = &(const TaskRegister) { false, 0x8b, 0xff },
    }, {
        .path = "vmexit/cpl-is-a-field",
        .rule = "2: 15.5.1 (row 37)",
        .run = cpl_is_a_field,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/cpl-of-real-mode",
        .rule = "2: 15.5.1 (row 37)",
        .run = cpl_of_real_mode,
    }, {
        .path = "vmexit/long-mode-is-computed",
        .rule = "2: 14.6.1, 15.5.1 (row 38)",
        .run = long_mode_is_computed,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/fixed-bits-of-debug-registers",
        .rule = "2: 15.5.1 (row 40)",
        .run = fixed_bits_of_debug_registers,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/reserved-bits-of-rflags",
        .rule = "2: 15.5.1 (row 40)",
        .run = reserved_bits_of_rflags,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/table-limits-have-16-bits",
        .rule = "2: appendix B (row 40)",
        .run = table_limits_have_16_bits,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/permission-map/msrs-base-11-0",
        .rule = "2: 15.11 (row 28)",
        .run = permission_map,
        .fails_on_pristine = true,
        .data = &(const PermissionMap) {
            GUEST_read_msr, "msrpm_base_pa", MSR_MAP | 0x800, MSR_FS_BASE,
            MSR_MAP + 0x840, SVM_EXIT_MSR
        },
    }, {
        .path = "vmexit/permission-map/msr-is-ecx",
        .rule = "2: 15.11 (row 28)",
        .run = permission_map,
        .fails_on_pristine = true,
        .data = &(const PermissionMap) {
            GUEST_read_msr, "msrpm_base_pa", MSR_MAP,
            0x100000000 | MSR_SYSENTER_CS, MSR_MAP + MSR_SYSENTER_CS / 4,
            SVM_EXIT_MSR
        },
    }, {
        .path = "vmexit/permission-map/ports-base-11-0",
        .rule = "2: 15.10 (row 28)",
        .run = permission_map,
        .fails_on_pristine = true,
        .data = &(const PermissionMap) {
            GUEST_write_memory_read_port, "iopm_base_pa", IO_MAP | 0x800, 0,
            IO_MAP + 0x80 / 8, SVM_EXIT_IOIO
        },
    }, {
        .path = "vmexit/permission-map/on-device-msrs",
        .rule = "2: 15.11 (row 52)",
        .run = permission_map_on_device,
        .arguments = DEVICE,
        .fails_on_pristine = true,
        .data = &(const PermissionMap) {
            GUEST_read_msr, "msrpm_base_pa", DEVICE_MEMORY, DEVICE_CLOCK * 4,
            0, SVM_EXIT_MSR
        },
    }, {
        .path = "vmexit/permission-map/on-device-ports",
        .rule = "2: 15.10 (row 52)",
        .run = permission_map_on_device,
        .arguments = DEVICE,
        .data = &(const PermissionMap) {
            GUEST_vmmcall, "iopm_base_pa", DEVICE_MEMORY, 0, 0, SVM_EXIT_IOIO
        },
    }, {
        .path = "vmexit/pdptes-on-device/host",
        .rule = "2: 5.2.3 (row 48)",
        .run = host_pdptes_on_device,
        .arguments = DEVICE,
        .host_mode = HOST_PAE,
    }, {
        .path = "vmexit/pdptes-on-device/guest",
        .rule = "2: 5.2.3 (row 48)",
        .run = guest_pdptes_on_device,
        .arguments = DEVICE,
    }, {
        .path = "vmexit/general-protection-has-no-address",
        .rule = "2: 15.12.14 (row 41)",
        .run = general_protection_has_no_address,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/snapshot-inside-guest",
        .rule = "2: 15.6 (row 50)",
        .run = snapshot_inside_guest,
        .fails_on_pristine = true,
        .data = &(const bool) { false },
    }, {
        .path = "vmexit/snapshot-inside-guest-nested-paging",
        .rule = "2: 15.6 (row 50)",
        .run = snapshot_inside_guest,
        .fails_on_pristine = true,
        .data = &(const bool) { true },
    }, {
        .path = "vmexit/smi-in-guest",
        .rule = "2: 15.22 (row 19)",
        .run = smi_in_guest,
        .fails_on_pristine = true,
    },

    {
        .path = "vmexit/smi-in-guest",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.22 (row 19)",
        .run = smi_in_guest,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/cpl-of-real-mode",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1 (row 37)",
        .run = cpl_of_real_mode,
    }, {
        .path = "vmexit/fixed-bits-of-debug-registers",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1 (row 40)",
        .run = fixed_bits_of_debug_registers,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/reserved-bits-of-rflags",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.5.1 (row 40)",
        .run = reserved_bits_of_rflags,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/table-limits-have-16-bits",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: appendix B (row 40)",
        .run = table_limits_have_16_bits,
        .fails_on_pristine = true,
    }, {
        .path = "vmexit/snapshot-inside-guest",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.6 (row 50)",
        .run = snapshot_inside_guest,
        .fails_on_pristine = true,
        .data = &(const bool) { false },
    }, {
        .path = "vmexit/snapshot-inside-guest-nested-paging",
        .hosts = IN_PAGING_HOSTS,
        .rule = "2: 15.6 (row 50)",
        .run = snapshot_inside_guest,
        .fails_on_pristine = true,
        .data = &(const bool) { true },
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
