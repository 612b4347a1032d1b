/*
 * DEBUGCTL, the last branch and the last exception (2: 13.1.1), and their
 * virtualization (2: 15.23).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_DB                1
#define FAULT_GP                13

#define MSR_STAR                0xc0000081
#define MSR_DEBUGCTL            0x1d9
#define MSR_LAST_BRANCH_FROM    0x1db
#define MSR_LAST_BRANCH_TO      0x1dc
#define MSR_LAST_EXCEPTION_FROM 0x1dd
#define MSR_LAST_EXCEPTION_TO   0x1de

#define LBR                     0x1
#define BTF                     0x2

#define EFER_SCE                0x1
#define RFLAGS_TF               0x100

/* The guests' handlers are MOV, MOV, VMMCALL: where VMMCALL is. */
#define VMMCALL_IN_HANDLER      9

/* What the registers hold before a guest runs. */
#define BRANCH_FROM             0x1111111111111111
#define BRANCH_TO               0x2222222222222222
#define EXCEPTION_FROM          0x3333333333333333
#define EXCEPTION_TO            0x4444444444444444

/* Branches of a guest's program; addresses are those in the program. */
typedef struct Program {
    const char *code;
    size_t length;
    /* The last branch. */
    unsigned from;
    unsigned to;
    /* It is an exception, and this was the branch before it, if any. */
    bool is_exception;
    unsigned before_from;
    unsigned before_to;
    /* There is none. */
    bool has_no_branch;
    bool has_none_before;
    /* Of a 32-bit guest whose CS.base is GUEST_CODE. */
    bool is_32_bit;
    uint32_t event_inj;
} Program;

static void prepare(SVMMachine *machine, const Program *program)
{
    if (program->is_32_bit) {
        svm_prepare_guest_32(machine, GUEST_vmmcall);
        svm_put_code(machine, GUEST_CODE, program->code, program->length);
        svm_set(machine, VMCB, "cs.base", GUEST_CODE);
        svm_set(machine, VMCB, "rip", 0);
    } else {
        svm_prepare_guest(machine, GUEST_vmmcall);
        svm_put_code(machine, GUEST_CODE, program->code, program->length);
        svm_set(machine, VMCB, "efer", EFER_HOST | EFER_SCE);
    }
    svm_set(machine, VMCB, "event_inj", program->event_inj);
    svm_set(machine, VMCB, "lbr_ctl", 1);
    svm_set(machine, VMCB, "dbgctl", LBR);
    svm_set(machine, VMCB, "br_from", BRANCH_FROM);
    svm_set(machine, VMCB, "br_to", BRANCH_TO);
    svm_set(machine, VMCB, "last_excp_from", EXCEPTION_FROM);
    svm_set(machine, VMCB, "last_excp_to", EXCEPTION_TO);
}

static void expect_vmcb(SVMMachine *machine, const SVMCase *test,
                        const char *field, uint64_t value)
{
    svm_expect(test, field, svm_get(machine, VMCB, field), value);
}

static void expect_recorded(SVMMachine *machine, const SVMCase *test,
                            const Program *program)
{
    uint64_t base = program->is_32_bit ? 0 : GUEST_CODE;

    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    if (program->has_no_branch) {
        expect_vmcb(machine, test, "br_from", BRANCH_FROM);
        expect_vmcb(machine, test, "br_to", BRANCH_TO);
    } else {
        expect_vmcb(machine, test, "br_from", base + program->from);
        expect_vmcb(machine, test, "br_to", program->is_exception ?
                    svm_get(machine, VMCB, "rip") - VMMCALL_IN_HANDLER :
                    base + program->to);
    }
    if (!program->is_exception) {
        expect_vmcb(machine, test, "last_excp_from", EXCEPTION_FROM);
        expect_vmcb(machine, test, "last_excp_to", EXCEPTION_TO);
    } else if (program->has_none_before) {
        expect_vmcb(machine, test, "last_excp_from", BRANCH_FROM);
        expect_vmcb(machine, test, "last_excp_to", BRANCH_TO);
    } else {
        expect_vmcb(machine, test, "last_excp_from",
                    base + program->before_from);
        expect_vmcb(machine, test, "last_excp_to", base + program->before_to);
    }
    expect_vmcb(machine, test, "dbgctl", LBR);
}

/* Twice, the second time after the code has run without being recorded. */
static void recorded(SVMMachine *machine, const SVMCase *test)
{
    const Program *program = test->data;

    svm_step(machine, STEP_write_msr, MSR_STAR,
             (uint64_t)SELECTOR_CODE_64 << 32);
    svm_step(machine, STEP_write_msr, MSR_LSTAR, GUEST_CODE + 0x40);
    svm_step(machine, STEP_nothing, 0, 0);
    memcpy(svm_ram(machine, GUEST_CODE + 0x40), "\x0f\x01\xd9", 3);

    prepare(machine, program);
    svm_run(machine);
    expect_recorded(machine, test, program);

    prepare(machine, program);
    svm_set(machine, VMCB, "dbgctl", 0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_vmcb(machine, test, "br_from", BRANCH_FROM);
    expect_vmcb(machine, test, "br_to", BRANCH_TO);
    expect_vmcb(machine, test, "last_excp_from", EXCEPTION_FROM);
    expect_vmcb(machine, test, "last_excp_to", EXCEPTION_TO);

    prepare(machine, program);
    svm_run(machine);
    expect_recorded(machine, test, program);
}

/* #DB ends the recording and leaves what was recorded. */
static void ended_by_debug_exception(SVMMachine *machine, const SVMCase *test)
{
    static const Program jump_then_icebp = {
        "\xeb\x00\xf1", 3
    };

    prepare(machine, &jump_then_icebp);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "vector", svm_mailbox(machine, MAILBOX_GUEST_RBX),
               FAULT_DB);
    expect_vmcb(machine, test, "dbgctl", 0);
    expect_vmcb(machine, test, "br_from", GUEST_CODE);
    expect_vmcb(machine, test, "br_to", GUEST_CODE + 2);
    expect_vmcb(machine, test, "last_excp_from", EXCEPTION_FROM);
    expect_vmcb(machine, test, "last_excp_to", EXCEPTION_TO);
}

/* Where RFLAGS.TF stops a program, by DEBUGCTL. */
typedef struct SingleStep {
    const char *code;
    size_t length;
    uint64_t debugctl;
    unsigned stops_at;
} SingleStep;

static void single_step(SVMMachine *machine, const SVMCase *test)
{
    const SingleStep *step = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, step->code, step->length);
    svm_set(machine, VMCB, "rflags", RFLAGS_TF | 2);
    svm_set(machine, VMCB, "lbr_ctl", 1);
    svm_set(machine, VMCB, "dbgctl", step->debugctl);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "vector", svm_mailbox(machine, MAILBOX_GUEST_RBX),
               FAULT_DB);
    svm_expect(test, "return address",
               svm_mailbox(machine, MAILBOX_GUEST_RCX),
               GUEST_CODE + step->stops_at);
    expect_vmcb(machine, test, "dbgctl", 0);
}

static uint64_t read_msr(SVMMachine *machine, uint32_t msr)
{
    return svm_step(machine, STEP_read_msr, msr, 0);
}

static void debugctl_bits(SVMMachine *machine, const SVMCase *test)
{
    unsigned bit;

    svm_expect(test, "DEBUGCTL after reset", read_msr(machine, MSR_DEBUGCTL),
               0);
    for (bit = 0; bit < 64; bit++) {
        svm_step(machine, STEP_write_msr, MSR_DEBUGCTL, 1ULL << bit);
        if (bit >= 6) {
            svm_expect_fault(machine, test, FAULT_GP, 0);
        }
        svm_expect(test, "DEBUGCTL", read_msr(machine, MSR_DEBUGCTL),
                   1ULL << MIN(bit, 5));
    }
}

static void last_branches_are_read_only(SVMMachine *machine,
                                        const SVMCase *test)
{
    uint32_t msr;

    for (msr = MSR_LAST_BRANCH_FROM; msr <= MSR_LAST_EXCEPTION_TO; msr++) {
        svm_step(machine, STEP_write_msr, msr, 0);
        svm_expect_fault(machine, test, FAULT_GP, 0);
    }
}

static void host_is_recorded(SVMMachine *machine, const SVMCase *test)
{
    uint64_t jump = svm_step(machine, STEP_jump_recorded, 0, 0);

    svm_expect(test, "the last branch's source",
               read_msr(machine, MSR_LAST_BRANCH_FROM), jump);
    svm_expect(test, "its target",
               read_msr(machine, MSR_LAST_BRANCH_TO), jump + 3);
}

/* The guest has its own, and the host's come back. */
static void virtualized(SVMMachine *machine, const SVMCase *test)
{
    static const Program rdmsr = { "\x0f\x32", 2, .has_no_branch = true };
    uint64_t jump = svm_step(machine, STEP_jump_recorded, 0, 0);
    static const uint64_t guest[] = {
        [MSR_DEBUGCTL - MSR_DEBUGCTL] = LBR,
        [MSR_LAST_BRANCH_FROM - MSR_DEBUGCTL] = BRANCH_FROM,
        [MSR_LAST_BRANCH_TO - MSR_DEBUGCTL] = BRANCH_TO,
        [MSR_LAST_EXCEPTION_FROM - MSR_DEBUGCTL] = EXCEPTION_FROM,
        [MSR_LAST_EXCEPTION_TO - MSR_DEBUGCTL] = EXCEPTION_TO,
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(guest); i++) {
        if (!guest[i]) {
            continue;
        }
        prepare(machine, &rdmsr);
        /* Reserved bits are dropped. */
        svm_set(machine, VMCB, "dbgctl", 0xffffffffffffffc0 | LBR);
        svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_DEBUGCTL + i);
        svm_run(machine);
        expect_recorded(machine, test, &rdmsr);
        svm_expect(test, "the guest's MSR",
                   svm_mailbox(machine, MAILBOX_GUEST_RDX) << 32 |
                   svm_get(machine, VMCB, "rax"), guest[i]);
    }
    svm_expect(test, "the host's DEBUGCTL", read_msr(machine, MSR_DEBUGCTL),
               0);
    svm_expect(test, "the host's last branch's source",
               read_msr(machine, MSR_LAST_BRANCH_FROM), jump);
    svm_expect(test, "its target", read_msr(machine, MSR_LAST_BRANCH_TO),
               jump + 3);
}

/* One set for both; the VMCB's fields are nobody's. */
static void shared(SVMMachine *machine, const SVMCase *test)
{
    static const Program debugctl_jump_debugctl = {
        /* wrmsr; mov $0, %eax; jmp; nop; wrmsr */
        "\x0f\x30\xb8\x00\x00\x00\x00\xeb\x01\x90\x0f\x30", 12
    };
    const uint64_t *lbr_ctl = test->data;

    prepare(machine, &debugctl_jump_debugctl);
    svm_set(machine, VMCB, "lbr_ctl", *lbr_ctl);
    svm_set(machine, VMCB, "rax", LBR);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_DEBUGCTL);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, 0);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    expect_vmcb(machine, test, "dbgctl", LBR);
    expect_vmcb(machine, test, "br_from", BRANCH_FROM);
    expect_vmcb(machine, test, "br_to", BRANCH_TO);
    expect_vmcb(machine, test, "last_excp_from", EXCEPTION_FROM);
    expect_vmcb(machine, test, "last_excp_to", EXCEPTION_TO);
    svm_expect(test, "the last branch's source, in the host",
               read_msr(machine, MSR_LAST_BRANCH_FROM), GUEST_CODE + 7);
    svm_expect(test, "its target",
               read_msr(machine, MSR_LAST_BRANCH_TO), GUEST_CODE + 10);
}

#define CASE(path_, rule_, run_, ...) \
    { .path = "last-branch/" path_, .rule = rule_, .run = run_, \
      .arguments = "-cpu EPYC,lbrv=on", .fails_on_pristine = true, \
      __VA_ARGS__ }
#define RECORDED(path_, code_, from_, to_, ...) \
    CASE("recorded/" path_, "2: 13.1.1 (row 45)", recorded, \
         .data = &(const Program) { code_, sizeof(code_) - 1, \
                                    .from = from_, .to = to_, __VA_ARGS__ })
#define SINGLE_STEP(path_, code_, debugctl_, stops_at_) \
    CASE("single-step/" path_, "2: 13.1.4 (row 45)", single_step, \
         .data = &(const SingleStep) { code_, sizeof(code_) - 1, debugctl_, \
                                       stops_at_ })
#define SHARED(path_, lbr_ctl_, ...) \
    { .path = "last-branch/" path_, .rule = "2: 15.23 (row 53)", \
      .run = shared, .fails_on_pristine = true, \
      .data = &(const uint64_t) { lbr_ctl_ }, __VA_ARGS__ }

static const SVMCase cases[] = {
    RECORDED("jump", "\xeb\x01\x90", 0, 3),
    RECORDED("jump-to-next", "\xeb\x00", 0, 2),
    RECORDED("jump-32-bit-displacement", "\xe9\x01\x00\x00\x00\x90", 0, 6),
    RECORDED("jump-backwards", "\xeb\x02\xeb\x02\xeb\xfc", 2, 6),
    RECORDED("jump-32-bit-code", "\xeb\x01\x90", 0, 3, .is_32_bit = true),
    RECORDED("jump-16-bit-operand", "\x66\xe9\x01\x00\x90", 0, 5,
             .is_32_bit = true),
    RECORDED("jump-register", "\x48\x8d\x05\x03\x00\x00\x00\xff\xe0\x90",
             7, 10),
    RECORDED("jump-memory", "\x68\x08\x00\x06\x00\xff\x24\x24", 5, 8),
    RECORDED("conditional", "\x31\xc0\x74\x01\x90", 2, 5),
    RECORDED("conditional-near", "\x31\xc0\x0f\x84\x01\x00\x00\x00\x90",
             2, 9),
    RECORDED("conditional-to-next", "\x31\xc0\x74\x00", 2, 4),
    RECORDED("conditional-not-taken", "\xeb\x00\x31\xc0\x75\x00", 0, 2),
    RECORDED("loop", "\xb9\x02\x00\x00\x00\xe2\xfe", 5, 5),
    RECORDED("jrcxz", "\x31\xc9\xe3\x00", 2, 4),
    RECORDED("call", "\xe8\x01\x00\x00\x00\x90", 0, 6),
    RECORDED("call-register", "\x48\x8d\x05\x02\x00\x00\x00\xff\xd0", 7, 9),
    RECORDED("return", "\x68\x06\x00\x06\x00\xc3", 5, 6),
    RECORDED("return-and-release", "\x68\x08\x00\x06\x00\xc2\x10\x00", 5, 8),
    RECORDED("far-jump", "\x48\xb8\x0e\x00\x06\x00\x18\x00\x00\x00\x50"
             "\xff\x2c\x24", 11, 14),
    RECORDED("far-jump-32-bit-code", "\xea\x07\x00\x06\x00\x08\x00", 0,
             0x60007, .is_32_bit = true),
    RECORDED("far-return", "\x6a\x18\x68\x09\x00\x06\x00\x48\xcb", 7, 9),
    RECORDED("interrupt-return",
             "\x48\x89\xe0\x6a\x10\x50\x9c\x6a\x18\x68\x10\x00\x06\x00"
             "\x48\xcf", 14, 16),
    RECORDED("syscall", "\x0f\x05", 0, 0x40),
    RECORDED("string-is-none", "\xeb\x00\xb9\x03\x00\x00\x00\x48\x89\xe6"
             "\x48\x89\xe7\xf3\xa4", 0, 2),
    RECORDED("software-interrupt", "\xeb\x00\xcd\x40", 2, 0,
             .is_exception = true, .before_from = 0, .before_to = 2),
    RECORDED("breakpoint", "\xeb\x00\xcc", 2, 0,
             .is_exception = true, .before_from = 0, .before_to = 2),
    RECORDED("undefined", "\xeb\x00\x0f\x0b", 2, 0,
             .is_exception = true, .before_from = 0, .before_to = 2),
    RECORDED("page-fault", "\xeb\x00\x48\xb8\x00\x00\x00\x00\x00\x01\x00\x00"
             "\x8a\x00", 12, 0,
             .is_exception = true, .before_from = 0, .before_to = 2),
    RECORDED("far-return-that-faults", "\xeb\x00\x6a\x00\x68\x00\x00\x06\x00"
             "\x48\xcb", 9, 0,
             .is_exception = true, .before_from = 0, .before_to = 2),
    RECORDED("injected-exception", "\x90", 0, 0,
             .is_exception = true, .has_none_before = true,
             .event_inj = 0x80000306),
    RECORDED("injected-interrupt", "\x90", 0, 0,
             .is_exception = true, .has_none_before = true,
             .event_inj = 0x80000040),
    CASE("recorded/ended-by-debug-exception", "2: 13.1.1 (row 45)",
         ended_by_debug_exception),
    CASE("recorded/in-host", "2: 13.1.1 (row 45)", host_is_recorded),
    CASE("register/debugctl", "2: 13.1.1 (row 45)", debugctl_bits),
    CASE("register/read-only", "2: 13.1.1 (row 45)",
         last_branches_are_read_only),
    SINGLE_STEP("branches", "\x90\x90\xeb\x00\x90", BTF, 4),
    SINGLE_STEP("taken-branches", "\x31\xc0\x75\x00\x74\x00\x90", BTF, 6),
    SINGLE_STEP("calls", "\x90\xe8\x00\x00\x00\x00", BTF | LBR, 6),
    SINGLE_STEP("returns", "\x68\x06\x00\x06\x00\xc3\x90", BTF, 6),
    SINGLE_STEP("every-instruction", "\x90\x90\xeb\x00\x90", LBR, 1),
    CASE("virtualized", "2: 15.23 (row 53)", virtualized),
    SHARED("not-virtualized", 0, .arguments = "-cpu EPYC,lbrv=on"),
    SHARED("absent", 1),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
