/*
 * Events of a guest: exceptions and software interrupts and their intercepts,
 * EVENTINJ, double faults, shutdown.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_DB                1
#define FAULT_NMI               2
#define FAULT_BP                3
#define FAULT_OF                4
#define FAULT_UD                6
#define FAULT_DF                8
#define FAULT_TS                10
#define FAULT_NP                11
#define FAULT_SS                12
#define FAULT_GP                13
#define FAULT_PF                14
#define FAULT_MC                18

#define EXCEPTION(vector)       (SVM_EXIT_EXCP_BASE + (vector))

#define RFLAGS_OF               0x800
#define CR4_DE                  8
#define CR4_MCE                 0x40
#define DR7_GD                  0x2000

/* What a case brings along for its guest. */
#define GUEST_CODE              GUEST_DATA
#define GUEST_TABLE             (GUEST_DATA + 0x800)
#define GUEST_MARK              (GUEST_DATA + 0xff0)

/* Guest code, in C strings. */
#define UD2                     "\x0f\x0b"
#define INT3                    "\xcc"
#define INT_3                   "\xcd\x03"
#define INTO                    "\xce"
#define ICEBP                   "\xf1"
#define READ_NON_CANONICAL      "\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08" \
                                "\x8b\x08"  /* movabs, mov (%rax), %ecx */

static void put_code(SVMMachine *machine, const void *bytes, size_t length)
{
    static const uint8_t vmmcall[] = { 0x0f, 0x01, 0xd9 };
    uint8_t *code = svm_ram(machine, GUEST_CODE);

    memcpy(code, bytes, length);
    memcpy(code + length, vmmcall, sizeof(vmmcall));
    svm_set(machine, VMCB, "rip", GUEST_CODE);
}

/* The guests' table, where a case can change it. */
static void copy_interrupt_table(SVMMachine *machine)
{
    qtest_memread(svm_qtest(machine),
                  svm_guest_address(machine, GUEST_interrupt_table),
                  svm_ram(machine, GUEST_TABLE), 32 * 16);
    svm_set(machine, VMCB, "idtr.base", GUEST_TABLE);
    svm_set(machine, VMCB, "idtr.limit", 32 * 16 - 1);
}

static void make_gate_not_present(SVMMachine *machine, unsigned vector)
{
    svm_ram(machine, GUEST_TABLE + 16 * vector)[5] &= ~0x80;
}

/* A 32-bit guest with one gate, to a VMMCALL. */
static void prepare_guest_32(SVMMachine *machine, unsigned vector)
{
    uint64_t handler = svm_guest_address(machine, GUEST_vmmcall);
    uint8_t *gate = svm_ram(machine, GUEST_TABLE + 8 * vector);

    svm_prepare_guest_32(machine, GUEST_vmmcall);
    stw_le_p(gate, handler);
    stw_le_p(gate + 2, SELECTOR_CODE_32);
    stw_le_p(gate + 4, 0x8e00);
    stw_le_p(gate + 6, handler >> 16);
    svm_set(machine, VMCB, "idtr.base", GUEST_TABLE);
    svm_set(machine, VMCB, "idtr.limit", 32 * 8 - 1);
}

/*
 * An instruction that raises an event, and what covers it; a guest whose
 * event is not covered takes it and gets to VMMCALL.
 */
typedef struct Trap {
    const char *bytes;
    unsigned vector;
    unsigned intercept;
    bool exits;
    bool is_32_bit;
} Trap;

static void prepare_trap(SVMMachine *machine, const Trap *trap)
{
    if (trap->is_32_bit) {
        prepare_guest_32(machine, trap->vector);
        svm_set(machine, VMCB, "rflags", RFLAGS_OF | 2);
    } else {
        svm_prepare_guest(machine, GUEST_vmmcall);
    }
    put_code(machine, trap->bytes, strlen(trap->bytes));
}

static void trap_intercept(SVMMachine *machine, const SVMCase *test)
{
    const Trap *trap = test->data;

    prepare_trap(machine, trap);
    svm_intercept(machine, trap->intercept);
    svm_run(machine);
    if (trap->exits) {
        svm_expect_exit(machine, test, trap->intercept);
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
        svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
                   0);
        svm_expect(test, "EXITINTINFO",
                   svm_get(machine, VMCB, "exit_int_info"), 0);
        return;
    }
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    if (trap->is_32_bit) {
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
                   svm_guest_address(machine, GUEST_vmmcall));
    } else {
        svm_expect(test, "vector that the guest saw",
                   svm_mailbox(machine, MAILBOX_GUEST_RBX), trap->vector);
        svm_expect(test, "return address",
                   svm_mailbox(machine, MAILBOX_GUEST_RCX),
                   GUEST_CODE + strlen(trap->bytes));
    }
}

/* The stack of its handler is in a page that the host does not give it. */
static void trap_comes_back(SVMMachine *machine, const SVMCase *test)
{
    const Trap *trap = test->data;

    prepare_trap(machine, trap);
    svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               0x80000300 | trap->vector);
}

/* An injected event, and what its handler finds pushed. */
typedef struct Injected {
    uint32_t event;
    uint32_t error_code;
    unsigned vector;
    unsigned pushed;
} Injected;

static void injected_event_pushes(SVMMachine *machine, const SVMCase *test)
{
    const Injected *injected = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set(machine, VMCB, "next_rip", svm_get(machine, VMCB, "rip"));
    svm_set(machine, VMCB, "event_inj", injected->event);
    svm_set(machine, VMCB, "event_inj_err", injected->error_code);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "vector", svm_mailbox(machine, MAILBOX_GUEST_RBX),
               injected->vector);
    svm_expect(test, "bytes pushed", GUEST_STACK_TOP -
               svm_get(machine, VMCB, "rsp"), injected->pushed);
    if (injected->pushed == 48) {
        svm_expect(test, "error code",
                   svm_mailbox(machine, MAILBOX_GUEST_RCX),
                   injected->error_code);
    }
}

/*
 * An event whose handler cannot be reached, injected or raised by code, and
 * what comes of it: an exit, or a handler of the guest.
 */
typedef struct Chain {
    const char *code;
    uint32_t event;
    uint32_t error_code;
    /* No table at all, or these gates are not present. */
    bool no_table;
    uint8_t missing[4];
    /* Without it there is no stack to deliver anything on. */
    bool no_stack;
    /* Exit codes. */
    uint16_t intercepts[4];
    /* Instead of an exit. */
    unsigned handler;

    uint16_t exit_code;
    uint64_t exit_info_1;
    uint32_t exit_int_info;
    uint32_t exit_int_info_err;
} Chain;

static void prepare_chain(SVMMachine *machine, const Chain *chain)
{
    int i;

    svm_prepare_guest(machine, GUEST_vmmcall);
    if (chain->code) {
        put_code(machine, chain->code, strlen(chain->code));
    }
    copy_interrupt_table(machine);
    if (chain->no_table) {
        svm_set(machine, VMCB, "idtr.limit", 0);
    }
    for (i = 0; i < ARRAY_SIZE(chain->missing) && chain->missing[i]; i++) {
        make_gate_not_present(machine, chain->missing[i]);
    }
    for (i = 0; i < ARRAY_SIZE(chain->intercepts) && chain->intercepts[i];
         i++) {
        svm_intercept(machine, chain->intercepts[i]);
    }
    if (chain->no_stack) {
        svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    }
    svm_set(machine, VMCB, "event_inj", chain->event);
    svm_set(machine, VMCB, "event_inj_err", chain->error_code);
}

static void chain_of_events(SVMMachine *machine, const SVMCase *test)
{
    const Chain *chain = test->data;

    prepare_chain(machine, chain);
    svm_run(machine);
    if (chain->handler) {
        svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
        svm_expect(test, "vector", svm_mailbox(machine, MAILBOX_GUEST_RBX),
                   chain->handler);
        return;
    }
    svm_expect_exit(machine, test, chain->exit_code);
    if (chain->exit_code == SVM_EXIT_SHUTDOWN) {
        /* The state of a guest that shut down is not defined. */
        return;
    }
    if (chain->exit_code != SVM_EXIT_NPF) {
        svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
                   chain->exit_info_1);
    }
    svm_expect(test, "EXITINTINFO", svm_get(machine, VMCB, "exit_int_info"),
               chain->exit_int_info);
    if (chain->exit_int_info & SVM_EVTINJ_VALID_ERR) {
        svm_expect(test, "error code in EXITINTINFO",
                   svm_get(machine, VMCB, "exit_int_info_err"),
                   chain->exit_int_info_err);
    }
    svm_expect(test, "RSP", svm_get(machine, VMCB, "rsp"), GUEST_STACK_TOP);
}

static void shutdown_is_not_intercepted(SVMMachine *machine,
                                        const SVMCase *test)
{
    prepare_chain(machine, test->data);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    svm_expect_shutdown(machine, test);
}

/* Wait until @mark has been written to GUEST_MARK. */
static void wait_for_mark(SVMMachine *machine, const SVMCase *test)
{
    uint32_t *mark = (uint32_t *)svm_ram(machine, GUEST_MARK);
    int tries;

    for (tries = 0; tries < 1000 && !qatomic_read(mark); tries++) {
        g_usleep(10 * 1000);
    }
    svm_expect_that(test, qatomic_read(mark), "the guest does not run");
}

#define MARK "\xc7\x04\x25\xf0\x0f\x06\x00\x01\x00\x00\x00" /* [60FF0h] = 1 */
#define NMI_TO_ALL              0xfeeff000
#define NMI_MESSAGE             0x400

/*
 * HLT that was started with TF = 1: the trap comes when HLT ends, here by an
 * NMI, and before that.
 */
static void trap_after_halt(SVMMachine *machine, const SVMCase *test)
{
    static const char code[] = MARK
        "\x68\x02\x01\x00\x00"          /* push   $0x102 */
        "\x9d"                          /* popf */
        "\xf4";                         /* hlt */

    svm_prepare_guest(machine, GUEST_vmmcall);
    put_code(machine, code, sizeof(code) - 1);
    svm_intercept(machine, EXCEPTION(FAULT_DB));
    svm_intercept(machine, SVM_EXIT_NMI);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    wait_for_mark(machine, test);
    g_usleep(100 * 1000);
    qtest_writel(svm_qtest(machine), NMI_TO_ALL, NMI_MESSAGE);
    svm_step_end(machine, 0, 20);
    svm_expect_exit(machine, test, EXCEPTION(FAULT_DB));
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
               GUEST_CODE + sizeof(code) - 1);
    svm_expect(test, "DR6", svm_get(machine, VMCB, "dr6"), 0xffff4ff0);
}

/* MOV from a debug register, whose exceptions come before its intercept. */
typedef struct DebugRegisterRead {
    const char *code;
    unsigned vector;
    uint32_t dr7;
    uint32_t dr6_afterwards;
} DebugRegisterRead;

static void debug_register_read(SVMMachine *machine, const SVMCase *test)
{
    const DebugRegisterRead *read = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    put_code(machine, read->code, strlen(read->code));
    svm_set(machine, VMCB, "intercept_dr_read", 0xffff);
    svm_set(machine, VMCB, "dr7", read->dr7);
    svm_set(machine, VMCB, "cr4", CR4_HOST | CR4_DE);
    svm_intercept(machine, EXCEPTION(FAULT_DB));
    svm_intercept(machine, EXCEPTION(FAULT_UD));
    svm_run(machine);
    svm_expect_exit(machine, test, read->vector ? EXCEPTION(read->vector) :
                                                  SVM_EXIT_READ_DR0);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
    svm_expect(test, "DR6", svm_get(machine, VMCB, "dr6"),
               read->dr6_afterwards);
}

/* A machine check of the monitor's, in a guest that waits for it. */
static void run_with_machine_check(SVMMachine *machine, const SVMCase *test)
{
    static const char code[] = MARK "\xeb\xfe";
    g_autofree char *said = NULL;

    put_code(machine, code, sizeof(code) - 1);
    svm_step_begin(machine, 0, STEP_vmrun, VMCB, 0);
    wait_for_mark(machine, test);
    said = qtest_hmp(svm_qtest(machine),
                     "mce 0 4 0xb200000000000000 0x5 0 0");
    svm_step_end(machine, 0, 20);
}

static void machine_check(SVMMachine *machine, const SVMCase *test)
{
    const Trap *trap = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    if (trap->intercept) {
        svm_intercept(machine, trap->intercept);
    }
    if (trap->vector == FAULT_MC) {
        svm_set(machine, VMCB, "cr4", CR4_HOST | CR4_MCE);
    }
    run_with_machine_check(machine, test);
    if (trap->exits) {
        svm_expect_exit(machine, test, trap->intercept);
        svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
                   0);
    } else {
        svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
        svm_expect(test, "vector that the guest saw",
                   svm_mailbox(machine, MAILBOX_GUEST_RBX), trap->vector);
    }
}

/* Who has CR4.MCE, and what comes of a machine check in the guest. */
typedef struct MachineCheck {
    bool host_enables;
    bool guest_enables;
    uint64_t exit_code;
} MachineCheck;

static void machine_check_of_host(SVMMachine *machine, const SVMCase *test)
{
    const MachineCheck *check = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_intercept(machine, SVM_EXIT_SHUTDOWN);
    svm_set(machine, VMCB, "cr4",
            CR4_HOST | (check->guest_enables ? CR4_MCE : 0));
    svm_step(machine, STEP_write_cr4, 0,
             CR4_HOST | (check->host_enables ? CR4_MCE : 0));
    run_with_machine_check(machine, test);
    svm_expect_exit(machine, test, check->exit_code);
    if (check->exit_code == EXCEPTION(FAULT_MC)) {
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
                   GUEST_CODE + sizeof(MARK) - 1);
        svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
                   0);
    }
}

#define MACHINE_CHECK(path_, host_, guest_, exit_code_) \
    .path = "events/machine-check-override/" path_, \
    .rule = "3: appendix E, CPUID 8000_000A (row 77)", \
    .run = machine_check_of_host, \
    .data = &(const MachineCheck) { host_, guest_, exit_code_ }

#define TRAP_INTERCEPT(path_, bytes_, vector_, intercept_, exits_, fails) \
    { .path = "events/trap-intercept/" path_, \
      .rule = "2: 15.12.4, 15.12.5, 15.13 (row 22)", \
      .run = trap_intercept, .fails_on_pristine = fails, \
      .data = &(const Trap) { bytes_, vector_, intercept_, exits_, \
                              vector_ == FAULT_OF } }
#define TRAP_COMES_BACK(path_, bytes_, vector_, fails) \
    { .path = "events/trap-comes-back/" path_, .rule = "2: 15.7.2 (row 30)", \
      .run = trap_comes_back, .fails_on_pristine = fails, \
      .data = &(const Trap) { bytes_, vector_, 0, false, \
                              vector_ == FAULT_OF } }
#define PUSHES(path_, event_, error_code_, vector_, pushed_, fails) \
    { .path = "events/injected-pushes/" path_, .rule = "2: 15.20 (row 31)", \
      .run = injected_event_pushes, .fails_on_pristine = fails, \
      .data = &(const Injected) { event_, error_code_, vector_, pushed_ } }
#define CHAIN(path_, rule_, fails, ...) \
    { .path = "events/" path_, .rule = rule_, .run = chain_of_events, \
      .fails_on_pristine = fails, .data = &(const Chain) { __VA_ARGS__ } }
#define INJECTED(path_, fails, ...) \
    CHAIN("injected-fails/" path_, "2: 15.20, 8.2.9 (row 31)", fails, \
          __VA_ARGS__)
#define DOUBLE_FAULT(path_, fails, ...) \
    CHAIN("double-fault/" path_, "2: 15.12.9 (row 25)", fails, __VA_ARGS__)
#define SHUTDOWN(path_, fails, ...) \
    CHAIN("shutdown/" path_, "2: 15.14.3 (row 26)", fails, __VA_ARGS__)

static const SVMCase cases[] = {
    TRAP_INTERCEPT("int3", INT3, FAULT_BP, EXCEPTION(FAULT_BP), true, true),
    TRAP_INTERCEPT("int3-not-as-int-n", INT3, FAULT_BP, SVM_EXIT_SWINT, false,
                   true),
    TRAP_INTERCEPT("int-3", INT_3, FAULT_BP, SVM_EXIT_SWINT, true, false),
    TRAP_INTERCEPT("int-3-not-as-int3", INT_3, FAULT_BP, EXCEPTION(FAULT_BP),
                   false, false),
    TRAP_INTERCEPT("into", INTO, FAULT_OF, EXCEPTION(FAULT_OF), true, true),
    TRAP_INTERCEPT("into-not-as-int-n", INTO, FAULT_OF, SVM_EXIT_SWINT, false,
                   true),
    TRAP_INTERCEPT("icebp", ICEBP, FAULT_DB, SVM_EXIT_ICEBP, true, false),
    TRAP_INTERCEPT("icebp-not-as-debug-trap", ICEBP, FAULT_DB,
                   EXCEPTION(FAULT_DB), false, false),
    TRAP_COMES_BACK("int3", INT3, FAULT_BP, true),
    TRAP_COMES_BACK("into", INTO, FAULT_OF, true),
    TRAP_COMES_BACK("icebp", ICEBP, FAULT_DB, false),

    PUSHES("protection-without", 0x8000030d, 0x18, FAULT_GP, 40, true),
    PUSHES("protection-with", 0x80000b0d, 0x18, FAULT_GP, 48, false),
    PUSHES("undefined-without", 0x80000306, 0x18, FAULT_UD, 40, false),
    PUSHES("undefined-with", 0x80000b06, 0x18, FAULT_UD, 48, true),
    PUSHES("breakpoint-with", 0x80000b03, 0x18, FAULT_BP, 48, true),
    PUSHES("interrupt-13", 0x8000000d, 0, FAULT_GP, 40, false),
    PUSHES("nmi-of-another-vector", 0x80000255, 0, FAULT_NMI, 40, false),

    INJECTED("task-state-then-segment", true,
             .event = 0x80000b0a, .missing = { FAULT_TS },
             .handler = FAULT_DF),
    INJECTED("page-fault-then-segment", true,
             .event = 0x80000b0e, .missing = { FAULT_PF },
             .handler = FAULT_DF),
    INJECTED("undefined-then-segment", false,
             .event = 0x80000306, .missing = { FAULT_UD },
             .handler = FAULT_NP),
    INJECTED("breakpoint-then-segment", false,
             .event = 0x80000303, .missing = { FAULT_BP },
             .handler = FAULT_NP),
    INJECTED("double-fault-then-segment", true,
             .event = 0x80000b08, .missing = { FAULT_DF },
             .intercepts = { SVM_EXIT_SHUTDOWN },
             .exit_code = SVM_EXIT_SHUTDOWN),
    INJECTED("interrupt-then-segment", false,
             .event = 0x80000012, .missing = { 0x12 },
             .handler = FAULT_NP),
    INJECTED("interrupt-then-intercept", false,
             .event = 0x80000012, .missing = { 0x12 },
             .intercepts = { EXCEPTION(FAULT_NP) },
             .exit_code = EXCEPTION(FAULT_NP), .exit_info_1 = 0x92,
             .exit_int_info = 0x80000012),
    INJECTED("interrupt-then-nested-page-fault", false,
             .event = 0x80000012, .no_stack = true,
             .exit_code = SVM_EXIT_NPF, .exit_int_info = 0x80000012),
    INJECTED("software-interrupt-then-intercept", false,
             .event = 0x80000412, .missing = { 0x12 },
             .intercepts = { EXCEPTION(FAULT_NP) },
             .exit_code = EXCEPTION(FAULT_NP), .exit_info_1 = 0x92,
             .exit_int_info = 0x80000412),
    INJECTED("nmi-then-intercept", false,
             .event = 0x80000202, .missing = { FAULT_NMI },
             .intercepts = { EXCEPTION(FAULT_NP) },
             .exit_code = EXCEPTION(FAULT_NP), .exit_info_1 = 0x12,
             .exit_int_info = 0x80000202),
    /* What the kernel's nested_exceptions_test does. */
    INJECTED("stack-fault-without-table", true,
             .event = 0x80000b0c, .error_code = 0xff, .no_table = true,
             .intercepts = { SVM_EXIT_SHUTDOWN, EXCEPTION(FAULT_SS),
                             EXCEPTION(FAULT_DF) },
             .exit_code = EXCEPTION(FAULT_DF), .exit_int_info = 0x80000b0c,
             .exit_int_info_err = 0xff),
    INJECTED("stack-fault-then-protection", false,
             .event = 0x80000b0c, .error_code = 0xff, .no_table = true,
             .intercepts = { SVM_EXIT_SHUTDOWN, EXCEPTION(FAULT_SS),
                             EXCEPTION(FAULT_GP), EXCEPTION(FAULT_DF) },
             .exit_code = EXCEPTION(FAULT_GP), .exit_info_1 = 0x62,
             .exit_int_info = 0x80000b0c, .exit_int_info_err = 0xff),

    DOUBLE_FAULT("intercepted", true,
                 .code = READ_NON_CANONICAL, .missing = { FAULT_GP },
                 .intercepts = { EXCEPTION(FAULT_DF) },
                 .exit_code = EXCEPTION(FAULT_DF),
                 .exit_int_info = 0x80000b0d),
    DOUBLE_FAULT("second-fault-intercepted", false,
                 .code = READ_NON_CANONICAL, .missing = { FAULT_GP },
                 .intercepts = { EXCEPTION(FAULT_DF), EXCEPTION(FAULT_NP) },
                 .exit_code = EXCEPTION(FAULT_NP), .exit_info_1 = 0x6a,
                 .exit_int_info = 0x80000b0d),
    DOUBLE_FAULT("not-intercepted", false,
                 .code = READ_NON_CANONICAL, .missing = { FAULT_GP },
                 .handler = FAULT_DF),
    DOUBLE_FAULT("its-delivery-exits", true,
                 .code = READ_NON_CANONICAL, .missing = { FAULT_GP },
                 .no_stack = true,
                 .exit_code = SVM_EXIT_NPF, .exit_int_info = 0x80000b08),
    CHAIN("second-exception-exits", "2: 15.7.2 (row 30)", true,
          .code = UD2, .missing = { FAULT_UD }, .no_stack = true,
          .exit_code = SVM_EXIT_NPF, .exit_int_info = 0x80000b0b,
          .exit_int_info_err = 0x32),

    SHUTDOWN("intercepted", false,
             .code = READ_NON_CANONICAL, .missing = { FAULT_GP, FAULT_DF },
             .intercepts = { SVM_EXIT_SHUTDOWN },
             .exit_code = SVM_EXIT_SHUTDOWN),
    {
        .path = "events/shutdown/not-intercepted",
        .rule = "2: 15.14.3 (row 26)",
        .run = shutdown_is_not_intercepted,
        .fails_on_pristine = true,
        .data = &(const Chain) {
            .code = READ_NON_CANONICAL, .missing = { FAULT_GP, FAULT_DF }
        },
    }, {
        .path = "events/trap-after-halt",
        .rule = "2: 15.12.2 (row 35)",
        .run = trap_after_halt,
        .fails_on_pristine = true,
    }, {
        .path = "events/debug-register/general-detect",
        .rule = "2: 15.8.2, 13.1.1",
        .run = debug_register_read,
        .fails_on_pristine = true,
        .data = &(const DebugRegisterRead) {
            "\x0f\x21\xc0", FAULT_DB, 0x400 | DR7_GD, 0xffff2ff0
        },
    }, {
        .path = "events/debug-register/alias",
        .rule = "2: 15.8.2, 13.1.1",
        .run = debug_register_read,
        .fails_on_pristine = true,
        .data = &(const DebugRegisterRead) {
            "\x0f\x21\xe0", FAULT_UD, 0x400, 0xffff0ff0
        },
    }, {
        .path = "events/debug-register/intercepted",
        .rule = "2: 15.8.2",
        .run = debug_register_read,
        .data = &(const DebugRegisterRead) {
            "\x0f\x21\xc0", 0, 0x400, 0xffff0ff0
        },
    }, {
        .path = "events/machine-check/intercepted",
        .rule = "2: 15.12.18 (row 35)",
        .run = machine_check,
        .fails_on_pristine = true,
        .data = &(const Trap) { NULL, FAULT_MC, EXCEPTION(FAULT_MC), true },
    }, {
        .path = "events/machine-check/not-intercepted",
        .rule = "2: 15.12.18 (row 35)",
        .run = machine_check,
        .data = &(const Trap) { NULL, FAULT_MC, 0, false },
    }, {
        MACHINE_CHECK("hosts", true, false, EXCEPTION(FAULT_MC)),
        .arguments = "-cpu max", .fails_on_pristine = true,
    }, {
        MACHINE_CHECK("nobodys", false, false, SVM_EXIT_SHUTDOWN),
        .arguments = "-cpu max", .fails_on_pristine = true,
    }, {
        MACHINE_CHECK("guests-without-intercept", true, true,
                      SVM_EXIT_VMMCALL),
        .arguments = "-cpu max",
    }, {
        MACHINE_CHECK("without-the-feature", true, false, SVM_EXIT_SHUTDOWN),
        .fails_on_pristine = true,
    }, {
        .path = "events/shutdown/machine-check",
        .rule = "2: 9, 15.14.3 (row 26)",
        .run = machine_check,
        .fails_on_pristine = true,
        .data = &(const Trap) { NULL, 0, SVM_EXIT_SHUTDOWN, true },
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
