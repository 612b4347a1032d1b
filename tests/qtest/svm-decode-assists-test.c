/*
 * What an exit says of the instruction it intercepts: decode assists
 * (2: 15.8.4, 15.33.3; row 59), and EXITINFO1 of I/O (2: 15.10.2; row 29).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define FAULT_PF                14

/* What follows the page of a guest's code. */
#define CODE_END                (GUEST_CODE + PAGE)
/* Guest-physical, and not in the nested table. */
#define NOT_MAPPED              0x80000
/* Virtual, and not in the guest's page table. */
#define NOT_PRESENT             0x8000000000

#define MAX_INSTRUCTION_LENGTH  15
#define MOV_CR                  (1ULL << 63)
#define NO_EXECUTE              (1ULL << 63)

#define GUEST_RAX               0x765432100
#define GUEST_RBX               0x123450000
#define GUEST_PORT              0x1234

typedef struct Instruction {
    const char *bytes;
    unsigned length;
    unsigned exit_code;
    uint64_t exit_info_1;
    /* Of a 32-bit guest without paging. */
    bool is_32_bit;
} Instruction;

static void prepare(SVMMachine *machine, const Instruction *i)
{
    if (i->is_32_bit) {
        svm_prepare_guest_32(machine, GUEST_vmmcall);
        svm_set(machine, VMCB, "ds.base", 0x1000);
    } else {
        svm_prepare_guest(machine, GUEST_vmmcall);
    }
    svm_put_code(machine, GUEST_CODE, i->bytes, i->length);
    memset(svm_ram(machine, IO_MAP), 0xff, 3 * PAGE);
    svm_intercept(machine, i->exit_code);
    svm_set(machine, VMCB, "rax", GUEST_RAX);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, GUEST_RBX);
    svm_set_mailbox(machine, MAILBOX_GUEST_RCX, 2);
    svm_set_mailbox(machine, MAILBOX_GUEST_RDX, GUEST_PORT);
    svm_set(machine, VMCB, "insn_bytes_low", 0x5555);
    svm_set(machine, VMCB, "insn_bytes_high", 0x6666);
}

static void exit_info_1(SVMMachine *machine, const SVMCase *test)
{
    const Instruction *i = test->data;

    prepare(machine, i);
    svm_run(machine);
    svm_expect_exit(machine, test, i->exit_code);
    svm_expect(test, "EXITINFO1", svm_get(machine, VMCB, "exit_info_1"),
               i->exit_info_1);
}

static void no_bytes(SVMMachine *machine, const SVMCase *test)
{
    exit_info_1(machine, test);
    svm_expect(test, "0D0h", svm_get(machine, VMCB, "insn_bytes_low"), 0);
    svm_expect(test, "0D8h", svm_get(machine, VMCB, "insn_bytes_high"), 0);
}

static void field_is_left_alone(SVMMachine *machine, const SVMCase *test)
{
    exit_info_1(machine, test);
    svm_expect(test, "0D0h", svm_get(machine, VMCB, "insn_bytes_low"), 0x5555);
    svm_expect(test, "0D8h", svm_get(machine, VMCB, "insn_bytes_high"),
               0x6666);
}

static void expect_bytes(SVMMachine *machine, const SVMCase *test,
                         uint64_t address, unsigned count)
{
    uint8_t expected[16] = { count };

    memcpy(expected + 1, svm_ram(machine, address), count);
    svm_expect(test, "0D0h", svm_get(machine, VMCB, "insn_bytes_low"),
               ldq_le_p(expected));
    svm_expect(test, "0D8h", svm_get(machine, VMCB, "insn_bytes_high"),
               ldq_le_p(expected + 8));
}

/* An instruction that accesses what is not mapped, and where it stands. */
typedef struct FaultingInstruction {
    const char *bytes;
    unsigned length;
    uint64_t address;
    /* How many bytes can be fetched from there. */
    unsigned count;
    bool next_page_is_mapped;
    bool next_page_is_data;
} FaultingInstruction;

static void fill_code(SVMMachine *machine)
{
    unsigned i;

    for (i = 0; i < 2 * PAGE; i++) {
        *svm_ram(machine, GUEST_CODE + i) = i * 7 + 1;
    }
}

static void bytes_of_nested_page_fault(SVMMachine *machine,
                                       const SVMCase *test)
{
    const FaultingInstruction *i = test->data;

    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set_nested_paging(machine, GUEST_CODE,
                          i->next_page_is_mapped ? CODE_END : GUEST_CODE);
    if (i->next_page_is_data) {
        uint64_t *table = (uint64_t *)svm_ram(machine,
                                              NESTED_TABLES + 3 * PAGE);

        table[CODE_END / PAGE] |= cpu_to_le64(NO_EXECUTE);
    }
    fill_code(machine);
    svm_put_code(machine, i->address, i->bytes, i->length);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "EXITINFO2", svm_get(machine, VMCB, "exit_info_2"),
               NOT_MAPPED);
    expect_bytes(machine, test, i->address, i->count);
}

static void no_bytes_of_nested_fetch(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_set_nested_paging(machine, GUEST_CODE, GUEST_CODE);
    svm_put_code(machine, GUEST_CODE, "\xff\xe3", 2);   /* JMP RBX */
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, NOT_MAPPED);
    svm_set(machine, VMCB, "insn_bytes_low", 0x5555);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), NOT_MAPPED);
    expect_bytes(machine, test, 0, 0);
}

static void bytes_of_page_fault(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    fill_code(machine);
    /* MOV EAX, [RBX] */
    svm_put_code(machine, CODE_END - 4, "\x8b\x03", 2);
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, NOT_PRESENT);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_PF);
    /* 64-bit code has no base. */
    svm_set(machine, VMCB, "cs.base", 0x1234);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_PF);
    expect_bytes(machine, test, CODE_END - 4, MAX_INSTRUCTION_LENGTH);
}

static void no_bytes_of_fetch(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest(machine, GUEST_vmmcall);
    svm_put_code(machine, GUEST_CODE, "\xff\xe3", 2);   /* JMP RBX */
    svm_set_mailbox(machine, MAILBOX_GUEST_RBX, NOT_PRESENT);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_set(machine, VMCB, "insn_bytes_low", 0x5555);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + FAULT_PF);
    svm_expect(test, "rIP", svm_get(machine, VMCB, "rip"), NOT_PRESENT);
    expect_bytes(machine, test, 0, 0);
}

/* rIP counts from the segment's base, and the segment ends the fetch. */
static void bytes_of_code_segment(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    svm_set_nested_paging(machine, GUEST_CODE, CODE_END);
    fill_code(machine);
    /* MOV EAX, [NOT_MAPPED] */
    svm_put_code(machine, GUEST_CODE + 0x20, "\xa1\x00\x00\x08\x00", 5);
    svm_set(machine, VMCB, "cs.base", GUEST_CODE);
    svm_set(machine, VMCB, "cs.limit", 0x29);
    svm_set(machine, VMCB, "rip", 0x20);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_NPF);
    expect_bytes(machine, test, GUEST_CODE + 0x20, 10);
}

#define WITH    "-cpu EPYC,+decodeassists"
#define WITHOUT "-cpu EPYC,-decodeassists"
#define RULE    "2: 15.8.4 (row 59)"

#define CODE(bytes_) .bytes = bytes_, .length = sizeof(bytes_) - 1
#define INSTRUCTION(bytes_, exit_code_, exit_info_1_, ...) \
    (&(const Instruction) { CODE(bytes_), \
        .exit_code = SVM_EXIT_##exit_code_, .exit_info_1 = exit_info_1_, \
        __VA_ARGS__ })
#define DECODED(path_, ...) \
    { .path = "decode-assists/" path_, .rule = RULE, .run = exit_info_1, \
      .arguments = WITH, .fails_on_pristine = true, \
      .data = INSTRUCTION(__VA_ARGS__) }
/* EXITINFO1 is 0, as without decode assists. */
#define NOT_DECODED(path_, ...) \
    { .path = "decode-assists/" path_, .rule = RULE, .run = exit_info_1, \
      .arguments = WITH, .data = INSTRUCTION(__VA_ARGS__) }

#define IN      1
#define STR     4
#define REP     8
#define IO_8    0x10
#define IO_32   0x40
#define A16     0x80
#define A32     0x100
#define A64     0x200
#define IO_ES   (0 << 10)
#define IO_CS   (1 << 10)
#define IO_SS   (2 << 10)
#define IO_DS   (3 << 10)
#define IO_FS   (4 << 10)
#define IO_PORT (GUEST_PORT << 16)
#define PORT_ACCESS(path_, arguments_, bytes_, exit_info_1_, ...) \
    { .path = "decode-assists/port/" path_, .rule = "2: 15.10.2 (row 29)", \
      .run = exit_info_1, .arguments = arguments_, \
      .fails_on_pristine = true, \
      .data = INSTRUCTION(bytes_, IOIO, IO_PORT | (exit_info_1_), \
                          __VA_ARGS__) }

#define MOV_FROM_NOT_MAPPED     "\x8b\x04\x25\x00\x00\x08\x00"
#define MOV_TO_NOT_MAPPED       "\x89\x04\x25\x00\x00\x08\x00"
#define BYTES(path_, bytes_, address_, count_, ...) \
    { .path = "decode-assists/bytes/" path_, .rule = RULE, \
      .run = bytes_of_nested_page_fault, .arguments = WITH, \
      .fails_on_pristine = true, \
      .data = &(const FaultingInstruction) { CODE(bytes_), \
          .address = address_, .count = count_, __VA_ARGS__ } }

static const SVMCase cases[] = {
    DECODED("mov-from-cr0", "\x0f\x20\xc0", READ_CR0, MOV_CR | 0),
    DECODED("mov-from-cr0-to-r11", "\x41\x0f\x20\xc3", READ_CR0, MOV_CR | 11),
    DECODED("mov-to-cr4", "\x41\x0f\x22\xe1", WRITE_CR4, MOV_CR | 9),
    DECODED("mov-to-cr8", "\x44\x0f\x22\xc7", WRITE_CR8, MOV_CR | 7),
    DECODED("mov-to-cr0-selective", "\x0f\x22\xc2", CR0_SEL_WRITE,
            MOV_CR | 2),
    DECODED("mov-to-cr0-32-bit", "\x0f\x22\xc3", WRITE_CR0, MOV_CR | 3,
            .is_32_bit = true),
    DECODED("mov-from-dr7", "\x41\x0f\x21\xfa", READ_DR7, 10),
    DECODED("mov-to-dr0", "\x0f\x23\xc6", WRITE_DR0, 6),
    NOT_DECODED("smsw", "\x0f\x01\xe3", READ_CR0, 0),
    NOT_DECODED("smsw-memory", "\x0f\x01\x64\x24\xf0", READ_CR0, 0),
    NOT_DECODED("lmsw", "\x0f\x01\xf3", WRITE_CR0, 0),
    NOT_DECODED("clts", "\x0f\x06", WRITE_CR0, 0),
    DECODED("int-n", "\xcd\x40", SWINT, 0x40),
    DECODED("int-n-of-breakpoint", "\xcd\x03", SWINT, 3),
    DECODED("int-n-highest", "\xcd\xff", SWINT, 0xff),
    DECODED("invlpg", "\x0f\x01\x3c\x25\x00\x00\x06\x00", INVLPG, 0x60000),
    DECODED("invlpg-registers", "\x0f\x01\x7c\xcb\x10", INVLPG,
            GUEST_RBX + 2 * 8 + 0x10),
    DECODED("invlpg-segment", "\x0f\x01\x3d\x00\x00\x06\x00", INVLPG, 0x61000,
            .is_32_bit = true),
    DECODED("invlpga", "\x0f\x01\xdf", INVLPGA, GUEST_RAX),
    DECODED("invlpga-32-bit-address", "\x67\x0f\x01\xdf", INVLPGA,
            (uint32_t)GUEST_RAX),
    {
        .path = "decode-assists/absent/mov-to-cr0",
        .rule = RULE,
        .run = field_is_left_alone,
        .arguments = WITHOUT,
        .data = INSTRUCTION("\x0f\x22\xc3", WRITE_CR0, 0),
    }, {
        .path = "decode-assists/absent/invlpg",
        .rule = RULE,
        .run = field_is_left_alone,
        .arguments = WITHOUT,
        .data = INSTRUCTION("\x0f\x01\x7c\xcb\x10", INVLPG, 0),
    }, {
        .path = "decode-assists/bytes/none-of-other-exits",
        .rule = RULE,
        .run = no_bytes,
        .arguments = WITH,
        .data = INSTRUCTION("\x0f\xa2", CPUID, 0),
        .fails_on_pristine = true,
    },
    PORT_ACCESS("out", WITH, "\xee", A64 | IO_8),
    PORT_ACCESS("in", WITH, "\xed", A64 | IO_32 | IN),
    PORT_ACCESS("in-address-prefix", WITH, "\x67\xed", A32 | IO_32 | IN),
    PORT_ACCESS("in-32-bit", WITH, "\xed", A32 | IO_32 | IN,
                .is_32_bit = true),
    PORT_ACCESS("in-32-bit-address-prefix", WITH, "\x67\xed",
                A16 | IO_32 | IN, .is_32_bit = true),
    PORT_ACCESS("outs", WITH, "\x6e", A64 | IO_DS | STR | IO_8),
    PORT_ACCESS("outs-from-fs", WITH, "\x64\x6f", A64 | IO_FS | STR | IO_32),
    PORT_ACCESS("outs-es-means-nothing", WITH, "\x26\x6e",
                A64 | IO_DS | STR | IO_8),
    PORT_ACCESS("outs-from-cs", WITH, "\x2e\x6e", A32 | IO_CS | STR | IO_8,
                .is_32_bit = true),
    PORT_ACCESS("rep-outs-from-ss", WITH, "\x36\xf3\x67\x6e",
                A16 | IO_SS | REP | STR | IO_8, .is_32_bit = true),
    PORT_ACCESS("rep-ins", WITH, "\xf3\x6c",
                A64 | IO_ES | REP | STR | IO_8 | IN),
    PORT_ACCESS("outs-without-decode-assists", WITHOUT, "\x64\x6e",
                A64 | STR | IO_8),
    BYTES("load", MOV_FROM_NOT_MAPPED, GUEST_CODE, MAX_INSTRUCTION_LENGTH),
    BYTES("store", MOV_TO_NOT_MAPPED, GUEST_CODE + 5, MAX_INSTRUCTION_LENGTH),
    BYTES("15-byte-instruction",
          "\x2e\x2e\x2e\x2e\x2e\x2e\x2e\x2e" MOV_FROM_NOT_MAPPED,
          GUEST_CODE + 1, MAX_INSTRUCTION_LENGTH),
    BYTES("two-pages", MOV_FROM_NOT_MAPPED, CODE_END - 3,
          MAX_INSTRUCTION_LENGTH, .next_page_is_mapped = true),
    BYTES("next-page-not-mapped", MOV_FROM_NOT_MAPPED, CODE_END - 7, 7),
    BYTES("next-page-is-data", MOV_FROM_NOT_MAPPED, CODE_END - 9, 9,
          .next_page_is_mapped = true, .next_page_is_data = true),
    {
        .path = "decode-assists/bytes/code-segment",
        .rule = RULE,
        .run = bytes_of_code_segment,
        .arguments = WITH,
        .fails_on_pristine = true,
    }, {
        .path = "decode-assists/bytes/page-fault",
        .rule = RULE,
        .run = bytes_of_page_fault,
        .arguments = WITH,
        .fails_on_pristine = true,
    }, {
        .path = "decode-assists/bytes/none-of-fetch",
        .rule = RULE,
        .run = no_bytes_of_fetch,
        .arguments = WITH,
        .fails_on_pristine = true,
    }, {
        .path = "decode-assists/bytes/none-of-nested-fetch",
        .rule = RULE,
        .run = no_bytes_of_nested_fetch,
        .arguments = WITH,
        .fails_on_pristine = true,
    },
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
