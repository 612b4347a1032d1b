/*
 * Instructions that came with later intercepts: INVPCID and RDPRU; bus locks;
 * idle HLT; exits that follow the write of a register.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "target/i386/svm/vmcb.h"
#include "svm-machine.h"

#define FAULT_UD                6
#define FAULT_GP                13

#define CR4_TSD                 4

#define RFLAGS_IF               0x200

/* Every feature that the emulator has; EPYC has none of these. */
#define EVERYTHING              "-cpu max"

/* INVPCID's memory operand; ECX has its address, EBX the type. */
#define DESCRIPTOR              SCRATCH
#define INVPCID                 "\x66\x0f\x38\x82\x19"
#define RDPRU                   "\x0f\x01\xfd"

/* One instruction with its operands in registers. */
typedef struct Instruction {
    const char *bytes;
    unsigned length;
    uint64_t rbx;
    uint64_t rcx;
    uint64_t descriptor[2];
    bool is_user;
    uint64_t cr4;
    /* Intercepts besides those of exceptions; 0: none. */
    unsigned intercept;
    unsigned exit_code;
    uint64_t exit_info_1;
    uint64_t exit_info_2;
} Instruction;

static void instruction(SVMMachine *machine, const SVMCase *test)
{
    const Instruction *i = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, i->bytes, i->length);
    if (i->is_user) {
        svm_make_user(machine);
    }
    svm_set(machine, VMCB, "cr4", CR4_HOST | i->cr4);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, i->rbx);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, i->rcx);
    stq_le_p(svm_ram(machine, DESCRIPTOR), i->descriptor[0]);
    stq_le_p(svm_ram(machine, DESCRIPTOR + 8), i->descriptor[1]);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_UD);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    if (i->intercept) {
        svm_intercept(machine, i->intercept);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, i->exit_code);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               i->exit_info_1);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               i->exit_info_2);
    if (i->intercept && i->exit_code == i->intercept) {
        svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), GUEST_CODE);
        svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"),
                   GUEST_CODE + i->length);
    }
}

/*
 * The guest reads through a translation, changes it in the page directory,
 * and reads again after INVPCID.
 */
#define LINEAR                  0x40000000
#define DIRECTORY_ENTRY         (HOST_PD + LINEAR / 0x200000 * 8)
#define LARGE_PAGE              0xe7    /* P, RW, US, A, D, PS */
#define OTHER_LARGE_PAGE        0x200000

static void invpcid_invalidates(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t *type = test->data;
    static const uint8_t code[] = {
        0x48, 0x8b, 0x06,               /* mov     (%rsi), %rax */
        0x48, 0x89, 0x17,               /* mov     %rdx, (%rdi) */
        0x66, 0x0f, 0x38, 0x82, 0x19,   /* invpcid (%rcx), %rbx */
        0x48, 0x8b, 0x06,               /* mov     (%rsi), %rax */
    };
    uint64_t offset = SCRATCH + 0x800;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code, sizeof(code));
    stq_le_p(svm_ram(machine, DIRECTORY_ENTRY), LARGE_PAGE);
    stq_le_p(svm_ram(machine, offset), 0x1111);
    stq_le_p(svm_ram(machine, OTHER_LARGE_PAGE + offset), 0x2222);
    stq_le_p(svm_ram(machine, DESCRIPTOR), 0);
    stq_le_p(svm_ram(machine, DESCRIPTOR + 8), LINEAR + offset);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, *type);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, DESCRIPTOR);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, OTHER_LARGE_PAGE | LARGE_PAGE);
    svm_set_mailbox(machine, MAILBOX_GUEST_RSI, LINEAR + offset);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDI, DIRECTORY_ENTRY);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "what is read after INVPCID",
               svm_get(machine, VMCB, "rax"), 0x2222);
}

/* Two readings, in RSI and RAX. */
static void rdpru_counts(SVMMachine *machine, const SVMCase *test)
{
    const uint64_t *which = test->data;
    static const uint8_t code[] = {
        0x0f, 0x01, 0xfd,               /* rdpru */
        0x48, 0xc1, 0xe2, 0x20,         /* shl     $32, %rdx */
        0x48, 0x09, 0xd0,               /* or      %rdx, %rax */
        0x48, 0x89, 0xc6,               /* mov     %rax, %rsi */
        0x0f, 0x01, 0xfd,               /* rdpru */
        0x48, 0xc1, 0xe2, 0x20,         /* shl     $32, %rdx */
        0x48, 0x09, 0xd0,               /* or      %rdx, %rax */
    };
    uint64_t first, second;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code, sizeof(code));
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, *which);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_UD);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    first = svm_mailbox(machine, MAILBOX_GUEST_RSI);
    second = svm_get(machine, VMCB, "rax");
    if (*which <= 1) {
        svm_expect_that(test, first > 0 && second > first, "read 0x%" PRIx64
                        " and then 0x%" PRIx64 ", has to count", first,
                        second);
    } else {
        svm_expect(test, "a register that does not exist", second, 0);
    }
}

static void rdpru_limit(SVMMachine *machine, const SVMCase *test)
{
    static const uint8_t code[] = {
        0xb8, 0x08, 0x00, 0x00, 0x80,   /* mov     $0x80000008, %eax */
        0x0f, 0xa2,                     /* cpuid */
    };

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code, sizeof(code));
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    svm_expect(test, "CPUID 8000_0008 EBX[4]",
               svm_mailbox(machine, MAILBOX_GUEST_RBX) >> 4 & 1, 1);
    svm_expect(test, "CPUID 8000_0008 EDX[31:16]",
               svm_mailbox(machine, MAILBOX_GUEST_RDX) >> 16, 1);
}

/* STI; HLT of a guest for which an interrupt may be pending. */
typedef struct Halt {
    unsigned intercept;
    unsigned other_intercept;
    uint32_t int_ctl;
    unsigned exit_code;
} Halt;

static void halt(SVMMachine *machine, const SVMCase *test)
{
    const Halt *h = test->data;
    static const uint8_t code[] = { 0xfb, 0xf4 };
    bool halted = h->exit_code != SVM_EXIT_VINTR;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, code, sizeof(code));
    svm_set(machine, VMCB, "int_ctl", h->int_ctl);
    svm_set(machine, VMCB, "int_vector", 0x40);
    svm_intercept(machine, SVM_EXIT_VINTR);
    svm_intercept(machine, h->intercept);
    if (h->other_intercept) {
        svm_intercept(machine, h->other_intercept);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, h->exit_code);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
               GUEST_CODE + (halted ? 1 : 2));
    svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"),
               halted ? GUEST_CODE + 2 : 0);
}

/* A write of a register, and the exit that follows it. */
typedef struct WriteTrap {
    const char *bytes;
    unsigned length;
    /* The register that is written, and its value afterwards. */
    const char *field;
    uint64_t value;
    unsigned trap;
    unsigned other_intercept;
    unsigned exit_code;
} WriteTrap;

static void write_trap(SVMMachine *machine, const SVMCase *test)
{
    const WriteTrap *t = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, t->bytes, t->length);
    svm_set(machine, VMCB, "int_ctl", V_INTR_MASKING_MASK);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, t->value);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, MSR_EFER);
    svm_set(machine, VMCB, "rax", t->value);
    svm_intercept(machine, t->trap);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    if (t->other_intercept) {
        svm_intercept(machine, t->other_intercept);
    }
    svm_run(machine);
    svm_expect_exit(machine, test, t->exit_code);
    if (t->exit_code != t->trap) {
        return;
    }
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               t->value);
    svm_expect(test, "the register", svm_get(machine, VMCB, t->field) &
               (t->trap == SVM_EXIT_CR0_WRITE_TRAP + 8 ? V_TPR_MASK : -1ULL),
               t->value);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
               GUEST_CODE + t->length);
    svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"), 0);
    /* The guest goes on behind it. */
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
}

/* Locked accesses at RBX, and what is left of the threshold then. */
typedef struct BusLock {
    const char *bytes;
    unsigned length;
    uint64_t rbx;
    unsigned threshold;
    unsigned exit_code;
    unsigned left;
    /* Of the exit, from GUEST_CODE. */
    unsigned rip;
    uint32_t memory;
    bool nested_paging;
} BusLock;

static void bus_lock(SVMMachine *machine, const SVMCase *test)
{
    const BusLock *b = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, b->bytes, b->length);
    if (b->nested_paging) {
        svm_set_nested_paging(machine, GUEST_CODE, GUEST_CODE);
    }
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, b->rbx);
    svm_set(machine, VMCB, "bus_lock_threshold", b->threshold);
    svm_intercept(machine, SVM_EXIT_BUSLOCK);
    svm_run(machine);
    svm_expect_exit(machine, test, b->exit_code);
    svm_expect(test, "bus-lock threshold",
               svm_get(machine, VMCB, "bus_lock_threshold"), b->left);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"),
               GUEST_CODE + b->rip);
    svm_expect(test, "the memory", ldl_le_p(svm_ram(machine, b->rbx)),
               b->memory);
    if (b->exit_code == SVM_EXIT_BUSLOCK) {
        svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
                   0);
        svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
                   0);
        svm_expect(test, "nRIP", svm_get(machine, VMCB, "next_rip"), 0);
    }
}

#define CODE(bytes_) .bytes = bytes_, .length = sizeof(bytes_) - 1

#define INSTRUCTION(path_, rule_, bytes_, ...) \
    { .path = "instructions/" path_, .rule = rule_, .run = instruction, \
      .arguments = EVERYTHING, .fails_on_pristine = true, \
      .data = &(const Instruction) { CODE(bytes_), __VA_ARGS__ } }
/* Where there is no such instruction, it is the same. */
#define UNDEFINED(path_, rule_, bytes_, arguments_, ...) \
    { .path = "instructions/" path_, .rule = rule_, .run = instruction, \
      .arguments = arguments_, \
      .data = &(const Instruction) { CODE(bytes_), \
          .exit_code = SVM_EXIT_EXCP_BASE + FAULT_UD, __VA_ARGS__ } }
#define INVPCID_CASE(path_, type_, identifier_, address_, ...) \
    INSTRUCTION("invpcid/" path_, "3: INVPCID (row 71)", INVPCID, \
                .rbx = type_, .rcx = DESCRIPTOR, \
                .descriptor = { identifier_, address_ }, __VA_ARGS__)
#define INVPCID_RUNS(path_, type_, identifier_, address_) \
    INVPCID_CASE("runs/" path_, type_, identifier_, address_, \
                 .exit_code = SVM_EXIT_VMMCALL)
#define INVPCID_FAULTS(path_, type_, identifier_, address_) \
    INVPCID_CASE("faults/" path_, type_, identifier_, address_, \
                 .exit_code = SVM_EXIT_EXCP_BASE + FAULT_GP)
#define INVPCID_INVALIDATES(path_, type_) \
    { .path = "instructions/invpcid/invalidates/" path_, \
      .rule = "3: INVPCID (row 71)", .run = invpcid_invalidates, \
      .arguments = EVERYTHING, .fails_on_pristine = true, \
      .data = &(const uint64_t) { type_ } }
#define RDPRU_CASE(path_, ...) \
    INSTRUCTION("rdpru/" path_, "3: RDPRU (row 72)", RDPRU, __VA_ARGS__)
#define RDPRU_COUNTS(path_, which_) \
    { .path = "instructions/rdpru/" path_, \
      .rule = "3: RDPRU (row 72)", .run = rdpru_counts, \
      .arguments = EVERYTHING, .fails_on_pristine = true, \
      .data = &(const uint64_t) { which_ } }
#define HALT(path_, intercept_, int_ctl_, exit_code_, ...) \
    .path = "instructions/idle-hlt/" path_, \
    .rule = "2: 15.9 (row 74)", .run = halt, \
    .data = &(const Halt) { .intercept = SVM_EXIT_##intercept_, \
        .int_ctl = int_ctl_, .exit_code = SVM_EXIT_##exit_code_, __VA_ARGS__ }
#define BUS_LOCK(path_, bytes_, rbx_, threshold_, exit_code_, ...) \
    .path = "instructions/bus-lock/" path_, \
    .rule = "2: 15.14.5 (row 66)", .run = bus_lock, \
    .data = &(const BusLock) { CODE(bytes_), .rbx = rbx_, \
        .threshold = threshold_, .exit_code = SVM_EXIT_##exit_code_, \
        __VA_ARGS__ }
#define BUS_LOCK_EXITS(path_, bytes_, rbx_, threshold_, ...) \
    { BUS_LOCK(path_, bytes_, rbx_, threshold_, BUSLOCK, __VA_ARGS__), \
      .arguments = EVERYTHING, .fails_on_pristine = true }
#define BUS_LOCK_RUNS(path_, bytes_, rbx_, threshold_, ...) \
    { BUS_LOCK(path_, bytes_, rbx_, threshold_, VMMCALL, __VA_ARGS__), \
      .arguments = EVERYTHING }

/* Four bytes, in two cache lines. */
#define SPLIT               (SCRATCH + 62)
#define LOCK_INC            "\xf0\xff\x03"  /* lock incl (%rbx) */

#define WRITE_TRAP(path_, bytes_, field_, value_, trap_, ...) \
    .path = "instructions/write-trap/" path_, \
    .rule = "2: 15.9 (row 42)", .run = write_trap, \
    .data = &(const WriteTrap) { CODE(bytes_), .field = field_, \
        .value = value_, .trap = trap_, __VA_ARGS__ }
#define TRAPS(path_, bytes_, field_, value_, trap_) \
    { WRITE_TRAP(path_, bytes_, field_, value_, trap_, .exit_code = trap_), \
      .fails_on_pristine = true }

#define CR_TRAP(number_)    (SVM_EXIT_CR0_WRITE_TRAP + (number_))

static const SVMCase cases[] = {
    INVPCID_CASE("intercept", 2, 0, 0, .intercept = SVM_EXIT_INVPCID,
                 .exit_code = SVM_EXIT_INVPCID, .exit_info_1 = DESCRIPTOR,
                 .exit_info_2 = 2),
    INVPCID_CASE("intercept-before-operands", 0x123456789, 0, 0,
                 .intercept = SVM_EXIT_INVPCID, .exit_code = SVM_EXIT_INVPCID,
                 .exit_info_1 = DESCRIPTOR, .exit_info_2 = 0x123456789),
    INVPCID_CASE("of-user", 2, 0, 0, .is_user = true,
                 .intercept = SVM_EXIT_INVPCID,
                 .exit_code = SVM_EXIT_EXCP_BASE + FAULT_GP),
    UNDEFINED("invpcid/absent", "3: INVPCID (row 71)", INVPCID, NULL,
              .rbx = 2, .rcx = DESCRIPTOR, .is_user = true,
              .intercept = SVM_EXIT_INVPCID),
    UNDEFINED("invpcid/register", "3: INVPCID (row 71)",
              "\x66\x0f\x38\x82\xd9", EVERYTHING,
              .intercept = SVM_EXIT_INVPCID),
    INVPCID_RUNS("address", 0, 0, 0x1000),
    INVPCID_RUNS("one-context", 1, 0, 0),
    INVPCID_RUNS("one-context-any-address", 1, 0, 0x1234567812345678),
    INVPCID_RUNS("all-with-global", 2, 1, 0),
    INVPCID_RUNS("all", 3, 1, 0),
    INVPCID_FAULTS("type-4", 4, 0, 0),
    INVPCID_FAULTS("type-63-32", 0x100000000, 0, 0),
    INVPCID_FAULTS("address-not-canonical", 0, 0, 0x1234567812345678),
    INVPCID_FAULTS("address-identifier", 0, 1, 0),
    INVPCID_FAULTS("one-context-identifier", 1, 1, 0),
    INVPCID_FAULTS("reserved-bits-address", 0, 0x1000, 0),
    INVPCID_FAULTS("reserved-bits-all", 3, 0x1000, 0),
    INVPCID_INVALIDATES("address", 0),
    INVPCID_INVALIDATES("one-context", 1),
    INVPCID_INVALIDATES("all-with-global", 2),
    INVPCID_INVALIDATES("all", 3),
    RDPRU_CASE("intercept", .intercept = SVM_EXIT_RDPRU,
               .exit_code = SVM_EXIT_RDPRU),
    RDPRU_CASE("of-user", .is_user = true, .intercept = SVM_EXIT_RDPRU,
               .exit_code = SVM_EXIT_RDPRU),
    UNDEFINED("rdpru/of-user-disabled", "3: RDPRU (row 72)", RDPRU, EVERYTHING,
              .is_user = true, .cr4 = CR4_TSD, .intercept = SVM_EXIT_RDPRU),
    UNDEFINED("rdpru/absent", "3: RDPRU (row 72)", RDPRU, NULL,
              .intercept = SVM_EXIT_RDPRU),
    /* RMPQUERY, which no model has. */
    UNDEFINED("rdpru/prefix-f3", "3: RDPRU (row 72)", "\xf3" RDPRU, EVERYTHING,
              .intercept = SVM_EXIT_RDPRU),
    RDPRU_COUNTS("mperf", 0),
    RDPRU_COUNTS("aperf", 1),
    RDPRU_COUNTS("no-register", 2),
    {
        .path = "instructions/rdpru/limit",
        .rule = "3: RDPRU (row 72)",
        .run = rdpru_limit,
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    },
    {
        HALT("nothing-pending", IDLE_HLT, 0, IDLE_HLT),
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    }, {
        HALT("interrupt-pending", IDLE_HLT, V_IRQ_MASK | V_IGN_TPR_MASK,
             VINTR),
        .arguments = EVERYTHING,
    }, {
        HALT("interrupt-masked", IDLE_HLT, V_IRQ_MASK | 3, IDLE_HLT),
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    }, {
        HALT("every-hlt", IDLE_HLT, V_IRQ_MASK | V_IGN_TPR_MASK, HLT,
             .other_intercept = SVM_EXIT_HLT),
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    }, {
        HALT("absent", IDLE_HLT, V_IRQ_MASK | V_IGN_TPR_MASK, VINTR),
    },
    BUS_LOCK_EXITS("at-once", LOCK_INC, SPLIT, 0),
    BUS_LOCK_EXITS("after-two", LOCK_INC LOCK_INC LOCK_INC, SPLIT, 2,
                   .rip = 6, .memory = 2),
    {
        BUS_LOCK("with-two-processors", LOCK_INC LOCK_INC LOCK_INC, SPLIT, 2,
                 BUSLOCK, .rip = 6, .memory = 2),
        .arguments = EVERYTHING " -smp 2",
        .fails_on_pristine = true,
    },
    /* xchg %eax, (%rbx), and lock bts %ecx, (%rbx) */
    BUS_LOCK_EXITS("exchange", "\x87\x03", SPLIT, 0),
    BUS_LOCK_EXITS("bit", "\xf0\x0f\xab\x0b", SPLIT, 0),
    BUS_LOCK_RUNS("in-a-line", LOCK_INC, SPLIT - 2, 0, .rip = 3, .memory = 1),
    BUS_LOCK_RUNS("without-lock", "\xff\x03", SPLIT, 0, .rip = 2,
                  .memory = 1),
    {
        BUS_LOCK("below", LOCK_INC LOCK_INC, SPLIT, 3, VMMCALL, .left = 1,
                 .rip = 6, .memory = 2),
        .arguments = EVERYTHING,
        .fails_on_pristine = true,
    }, {
        BUS_LOCK("fault-first", LOCK_INC, GUEST_CODE + PAGE - 2, 5, NPF,
                 .left = 5, .nested_paging = true),
        .arguments = EVERYTHING,
    }, {
        BUS_LOCK("absent", LOCK_INC, SPLIT, 0, VMMCALL, .rip = 3,
                 .memory = 1),
    },
    /* mov %rbx, %cr0: NE is 0 then */
    TRAPS("mov-to-cr0", "\x0f\x22\xc3", "cr0", CR0_HOST & ~0x20, CR_TRAP(0)),
    TRAPS("mov-to-cr3", "\x0f\x22\xdb", "cr3", HOST_PML4 | 0x18, CR_TRAP(3)),
    TRAPS("mov-to-cr4", "\x0f\x22\xe3", "cr4", CR4_HOST | 4, CR_TRAP(4)),
    TRAPS("mov-to-cr8", "\x44\x0f\x22\xc3", "int_ctl", 5, CR_TRAP(8)),
    TRAPS("lmsw", "\x0f\x01\xf3", "cr0", CR0_HOST | 8, CR_TRAP(0)),
    TRAPS("clts", "\x0f\x06", "cr0", CR0_HOST, CR_TRAP(0)),
    /* wrmsr; EDX is 0: SCE is 1 then */
    TRAPS("efer", "\x0f\x30", "efer", EFER_HOST | 1,
          SVM_EXIT_EFER_WRITE_TRAP),
    {
        WRITE_TRAP("intercept-first", "\x0f\x22\xc3", "cr0", CR0_HOST,
                   CR_TRAP(0), .other_intercept = SVM_EXIT_WRITE_CR0,
                   .exit_code = SVM_EXIT_WRITE_CR0),
    }, {
        WRITE_TRAP("fault-first", "\x0f\x22\xe3", "cr4", 0x8620, CR_TRAP(4),
                   .exit_code = SVM_EXIT_EXCP_BASE + FAULT_GP),
        .fails_on_pristine = true,
    }, {
        WRITE_TRAP("other-register", "\x0f\x22\xdb", "cr3", HOST_PML4,
                   CR_TRAP(4), .exit_code = SVM_EXIT_VMMCALL),
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
