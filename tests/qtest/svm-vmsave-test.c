/*
 * VMSAVE and VMLOAD: operands, modes, and values a processor cannot hold.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "target/i386/svm.h"
#include "svm-machine.h"

#define PHYSICAL_LIMIT          (1ULL << 40)
#define FAULT_UD                6
#define FAULT_GP                13
#define ABOVE_32_BITS           0x100000000
/* Below 64 KiB: the stack of a processor that is not there. */
#define LOW_PAGE                0x8000

/* The instruction with an address that it must refuse. */
typedef struct Operand {
    SVMStep step;
    uint64_t address;
} Operand;

static void refused_operand(SVMMachine *machine, const SVMCase *test)
{
    const Operand *operand = test->data;

    svm_step(machine, operand->step, operand->address, 0);
    svm_expect_fault(machine, test, FAULT_GP, 0);
}

static void svme_off(SVMMachine *machine, const SVMCase *test)
{
    const Operand *operand = test->data;

    svm_step(machine, STEP_write_msr, MSR_EFER,
             svm_step(machine, STEP_read_msr, MSR_EFER, 0) & ~0x1000);
    svm_step(machine, operand->step, operand->address, 0);
    svm_expect_fault(machine, test, FAULT_UD, 0);
}

/* 67h in 64-bit code: EAX; in 32-bit code: AX. */
static void address_size(SVMMachine *machine, const SVMCase *test)
{
    const Operand *operand = test->data;
    uint64_t page = operand->address & (test->host_mode == HOST_LONG_MODE ?
                                        UINT32_MAX : UINT16_MAX);

    svm_fill_vmload_set(machine, OTHER_VMCB);
    svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
    if (operand->step == STEP_vmload_other_width) {
        svm_fill_vmload_set(machine, page);
        svm_set(machine, page, "gs.base", 0x77777);
        svm_step(machine, operand->step, operand->address, 0);
        svm_step(machine, STEP_vmsave, SCRATCH, 0);
        svm_expect(test, "GS base that was loaded",
                   svm_get(machine, SCRATCH, "gs.base"), 0x77777);
    } else {
        svm_step(machine, operand->step, operand->address, 0);
        svm_expect(test, "GS base in the page that the operand names",
                   svm_get(machine, page, "gs.base"),
                   svm_get(machine, OTHER_VMCB, "gs.base"));
    }
    svm_expect(test, "exception", svm_fault(machine), 0);
}

static void address_size_of_vmrun(SVMMachine *machine, const SVMCase *test)
{
    svm_prepare_guest_32(machine, GUEST_vmmcall);
    memcpy(svm_ram(machine, LOW_PAGE), svm_ram(machine, VMCB), PAGE);
    svm_step(machine, STEP_vmrun_other_width, 0x100000 + LOW_PAGE, 0);
    svm_expect(test, "EXITCODE in the page that the operand names",
               svm_get(machine, LOW_PAGE, "exit_code"), SVM_EXIT_VMMCALL);
}

/* A value by VMLOAD, and what VMSAVE makes of it. */
typedef struct LoadedValue {
    const char *name;
    uint64_t loaded;
    uint64_t saved;
} LoadedValue;

static void loaded_value(SVMMachine *machine, const SVMCase *test)
{
    const LoadedValue *value = test->data;

    svm_fill_vmload_set(machine, OTHER_VMCB);
    svm_set(machine, OTHER_VMCB, value->name, value->loaded);
    svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect(test, value->name, svm_get(machine, SCRATCH, value->name),
               value->saved);
}

/* What WRMSR put there and VMSAVE stored is what VMLOAD brings back. */
static void saved_is_what_is_loaded(SVMMachine *machine, const SVMCase *test)
{
    static const struct {
        uint32_t msr;
        const char *field;
    } registers[] = {
        { 0xc0000084, "sfmask" },
        { 0x174, "sysenter_cs" },
        { 0x175, "sysenter_esp" },
        { 0x176, "sysenter_eip" },
    };
    int i;

    for (i = 0; i < ARRAY_SIZE(registers); i++) {
        svm_step(machine, STEP_write_msr, registers[i].msr,
                 0x0000800000001000);
    }
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_step(machine, STEP_vmload, SCRATCH, 0);
    svm_step(machine, STEP_vmsave, OTHER_VMCB, 0);
    for (i = 0; i < ARRAY_SIZE(registers); i++) {
        svm_expect(test, registers[i].field,
                   svm_get(machine, OTHER_VMCB, registers[i].field),
                   svm_get(machine, SCRATCH, registers[i].field));
    }
}

/*
 * The 8 bytes of KernelGsBase land in the APIC's window for messages, as an
 * NMI for everyone, while instructions are counted.
 */
static void interrupt_message(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_write_msr, MSR_KERNEL_GS_BASE, 0x400);
    svm_step(machine, STEP_vmsave, 0xfeeff000, 0);
    svm_expect(test, "fault of VMSAVE", svm_fault(machine), 0);
    svm_expect(test, "KernelGsBase afterwards",
               svm_step(machine, STEP_read_msr, MSR_KERNEL_GS_BASE, 0),
               0x400);
}

/* VMLOAD and WRMSR reach the same register. */
static void sysenter_cs_has_one_width(SVMMachine *machine,
                                      const SVMCase *test)
{
    const uint64_t value = 0x5566778811223344;
    uint64_t by_wrmsr;

    svm_step(machine, STEP_write_msr, MSR_SYSENTER_CS, value);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    by_wrmsr = svm_get(machine, SCRATCH, "sysenter_cs");

    svm_fill_vmload_set(machine, OTHER_VMCB);
    svm_set(machine, OTHER_VMCB, "sysenter_cs", value);
    svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect(test, "SYSENTER_CS by VMLOAD, as by WRMSR",
               svm_get(machine, SCRATCH, "sysenter_cs"), by_wrmsr);
}

static void non_canonical_msr(SVMMachine *machine, const SVMCase *test)
{
    const LoadedValue *value = test->data;

    svm_step(machine, STEP_write_msr, value->saved, value->loaded);
    svm_expect_fault(machine, test, FAULT_GP, 0);
}

/* Bases: by their MSRs and by the page, in both directions. */
static void bases_are_the_msrs(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_write_msr, MSR_FS_BASE, 0x7fff12345678);
    svm_step(machine, STEP_write_msr, MSR_GS_BASE, 0xffff800012345678);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect(test, "FS base in the page",
               svm_get(machine, SCRATCH, "fs.base"), 0x7fff12345678);
    svm_expect(test, "GS base in the page",
               svm_get(machine, SCRATCH, "gs.base"), 0xffff800012345678);

    svm_set(machine, SCRATCH, "fs.base", 0x1111);
    svm_set(machine, SCRATCH, "gs.base", 0x2222);
    svm_step(machine, STEP_vmload, SCRATCH, 0);
    svm_expect(test, "MSR FS_BASE",
               svm_step(machine, STEP_read_msr, MSR_FS_BASE, 0), 0x1111);
    svm_expect(test, "MSR GS_BASE",
               svm_step(machine, STEP_read_msr, MSR_GS_BASE, 0), 0x2222);
}

static void task_register_is_busy(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect(test, "attributes of TR after LTR",
               svm_get(machine, SCRATCH, "tr.attributes"), 0x8b);
}

static void null_ldtr_is_not_present(SVMMachine *machine,
                                     const SVMCase *test)
{
    svm_step(machine, STEP_write_ldtr, 0, 0);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect(test, "P of LDTR after LLDT of a null selector",
               svm_get(machine, SCRATCH, "ldtr.attributes") >> 7 & 1, 0);
}

/* A null selector leaves no segment. */
static void null_fs_is_not_present(SVMMachine *machine, const SVMCase *test)
{
    svm_step(machine, STEP_write_fs, 0, SELECTOR_DATA);
    svm_step(machine, STEP_write_fs, 0, 0);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect(test, "FS selector", svm_get(machine, SCRATCH, "fs.selector"),
               0);
    svm_expect(test, "P of FS",
               svm_get(machine, SCRATCH, "fs.attributes") >> 7 & 1, 0);
}

/* The processor decides whether base and limit are cleared as well. */
static void null_fs_base(SVMMachine *machine, const SVMCase *test)
{
    const bool *is_kept = test->data;

    svm_step(machine, STEP_write_fs, 0, SELECTOR_DATA);
    svm_step(machine, STEP_write_msr, MSR_FS_BASE, 0x123450);
    svm_step(machine, STEP_write_fs, 0, 0);
    svm_step(machine, STEP_vmsave, SCRATCH, 0);
    svm_expect(test, "FS base after a null selector",
               svm_get(machine, SCRATCH, "fs.base"), *is_kept ? 0x123450 : 0);
    svm_expect(test, "FS limit after a null selector",
               svm_get(machine, SCRATCH, "fs.limit"),
               *is_kept ? 0xffffffff : 0);
}

/*
 * In a guest that may: the address is the host's, with nested paging or
 * without, in 64-bit mode or not.
 */
typedef struct Guest {
    SVMGuest program;
    bool is_32_bit;
    bool nested_paging;
} Guest;

static void in_guest(SVMMachine *machine, const SVMCase *test)
{
    const Guest *guest = test->data;

    if (guest->is_32_bit) {
        svm_prepare_guest_32(machine, guest->program);
    } else {
        svm_prepare_guest(machine, guest->program);
    }
    if (guest->nested_paging) {
        /* The page of the operand is not among those that are mapped. */
        svm_set_nested_paging(machine, GUEST_DATA, GUEST_DATA);
    }
    svm_fill_vmload_set(machine, OTHER_VMCB);
    svm_step(machine, STEP_vmload, OTHER_VMCB, 0);
    svm_fill_vmload_set(machine, SCRATCH);
    svm_set(machine, SCRATCH, "gs.base", 0x77777);
    svm_set(machine, VMCB, "rax", SCRATCH);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_VMMCALL);
    if (guest->program == GUEST_vmload) {
        svm_step(machine, STEP_vmsave, OTHER_HOST_SAVE, 0);
        svm_expect(test, "GS base that the guest loaded",
                   svm_get(machine, OTHER_HOST_SAVE, "gs.base"), 0x77777);
    } else {
        svm_expect(test, "GS base that the guest saved",
                   svm_get(machine, SCRATCH, "gs.base"),
                   svm_get(machine, OTHER_VMCB, "gs.base"));
    }
}

static void intercepted(SVMMachine *machine, const SVMCase *test)
{
    const Guest *guest = test->data;
    unsigned exit_code = guest->program == GUEST_vmload ? SVM_EXIT_VMLOAD :
                         SVM_EXIT_VMSAVE;
    g_autofree uint8_t *before = NULL;

    svm_prepare_guest(machine, guest->program);
    svm_intercept(machine, exit_code);
    svm_set(machine, VMCB, "rax", SCRATCH);
    svm_run(machine);
    svm_expect_exit(machine, test, exit_code);
    svm_expect(test, "first word of FS in the page",
               svm_get(machine, SCRATCH, "fs.base"), 0);
}

/* Which comes first is told by CPUID 8000_000A EDX[28], SvmeAddrChk. */
typedef struct InterceptedOperand {
    SVMGuest program;
    unsigned intercept;
    unsigned exit_code;
} InterceptedOperand;

static void intercepted_bad_operand(SVMMachine *machine, const SVMCase *test)
{
    const InterceptedOperand *operand = test->data;

    svm_prepare_guest(machine, operand->program);
    svm_set(machine, VMCB, "rax", SCRATCH + 8);
    svm_intercept(machine, operand->intercept);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_run(machine);
    svm_expect_exit(machine, test, operand->exit_code);
}

/* CPL 3, and the modes in which the instructions do not exist. */
static void prepare_user(SVMMachine *machine, SVMGuest program)
{
    svm_prepare_guest(machine, program);
    svm_make_user(machine);
}

static void prepare_real_mode(SVMMachine *machine, SVMGuest program)
{
    svm_prepare_guest_32(machine, program);
    svm_set(machine, VMCB, "cr0", 0x10);
    svm_set(machine, VMCB, "cs.selector", PAYLOAD_BASE >> 4);
    svm_set(machine, VMCB, "cs.base", PAYLOAD_BASE);
    svm_set(machine, VMCB, "cs.attributes", 0x9b);
    svm_set(machine, VMCB, "cs.limit", 0xffff);
    svm_set(machine, VMCB, "rip",
            svm_guest_address(machine, program) - PAYLOAD_BASE);
    svm_set(machine, VMCB, "rsp", 0x1000);
}

static void prepare_virtual_8086(SVMMachine *machine, SVMGuest program)
{
    static const char *const segments[] = { "cs", "ds", "es", "ss" };
    unsigned i;

    prepare_real_mode(machine, program);
    svm_set(machine, VMCB, "cr0", 0x11);
    svm_set(machine, VMCB, "rflags", 0x23002);
    svm_set(machine, VMCB, "cpl", 3);
    for (i = 0; i < ARRAY_SIZE(segments); i++) {
        g_autofree char *attributes = g_strdup_printf("%s.attributes",
                                                      segments[i]);
        g_autofree char *limit = g_strdup_printf("%s.limit", segments[i]);

        svm_set(machine, VMCB, attributes, 0xf3);
        svm_set(machine, VMCB, limit, 0xffff);
    }
}

typedef struct Mode {
    void (*prepare)(SVMMachine *machine, SVMGuest program);
    SVMGuest program;
    unsigned fault;
} Mode;

static void in_mode(SVMMachine *machine, const SVMCase *test)
{
    const Mode *mode = test->data;

    mode->prepare(machine, mode->program);
    svm_set(machine, VMCB, "rax", SCRATCH);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_UD);
    svm_intercept(machine, SVM_EXIT_EXCP_BASE + FAULT_GP);
    svm_run(machine);
    svm_expect_exit(machine, test, SVM_EXIT_EXCP_BASE + mode->fault);
}

#define REFUSED(path_, step, address) \
    { .path = "vmsave/refused-operand/" path_, .rule = "3: VMLOAD, VMSAVE", \
      .run = refused_operand, .data = &(const Operand) { step, address } }
#define SVME_OFF(path_, step) \
    { .path = "vmsave/svme-off/" path_, .rule = "3: VMLOAD, VMSAVE", \
      .run = svme_off, .data = &(const Operand) { step, SCRATCH } }
#define WIDTH_32(path_, step) \
    { .path = "vmsave/address-size-32/" path_, \
      .rule = "3: VMLOAD, VMSAVE (row 17)", .run = address_size, \
      .data = &(const Operand) { step, ABOVE_32_BITS + SCRATCH } }
#define WIDTH_16(path_, step) \
    { .path = "vmsave/address-size-16/" path_, \
      .rule = "3: VMLOAD, VMSAVE (row 17)", .run = address_size, \
      .host_mode = HOST_PAE, .fails_on_pristine = true, \
      .data = &(const Operand) { step, 0x100000 + LOW_PAGE } }
#define LOADED_IN_32_BIT_HOSTS(path_, name, loaded, saved) \
    { .path = "vmsave/loaded-value/" path_, \
      .hosts = IN_32_BIT_HOSTS, \
      .rule = "3: VMLOAD (row 14)", \
      .run = loaded_value, \
      .data = &(const LoadedValue) { name, loaded, saved } }
#define LOADED(path_, name, loaded, saved, fails) \
    { .path = "vmsave/loaded-value/" path_, .rule = "3: VMLOAD (row 14)", \
      .run = loaded_value, .fails_on_pristine = fails, \
      .data = &(const LoadedValue) { name, loaded, saved } }
#define NON_CANONICAL(path_, msr) \
    { .path = "vmsave/non-canonical-wrmsr/" path_, \
      .rule = "3: WRMSR (row 14)", .run = non_canonical_msr, \
      .fails_on_pristine = true, \
      .data = &(const LoadedValue) { path_, 0x800000000000, msr } }
#define IN_GUEST(path_, program, is_32_bit, nested_paging, fails) \
    { .path = "vmsave/in-guest/" path_, .rule = "2: 15.33.1 (row 5)", \
      .run = in_guest, .fails_on_pristine = fails, \
      .data = &(const Guest) { program, is_32_bit, nested_paging } }
#define INTERCEPT_FIRST(path_, program, intercept) \
    { .path = "vmsave/intercept-before-operand/" path_, \
      .rule = "3: CPUID 8000_000A EDX[28] = 1 (row 16)", \
      .run = intercepted_bad_operand, .fails_on_pristine = true, \
      .arguments = "-cpu EPYC,svme-addr-chk=on", \
      .data = &(const InterceptedOperand) { program, intercept, intercept } }
#define OPERAND_FIRST(path_, program, intercept) \
    { .path = "vmsave/operand-before-intercept/" path_, \
      .rule = "3: CPUID 8000_000A EDX[28] = 0 (row 16)", \
      .run = intercepted_bad_operand, \
      .arguments = "-cpu EPYC,svme-addr-chk=off", \
      .data = &(const InterceptedOperand) { \
          program, intercept, SVM_EXIT_EXCP_BASE + FAULT_GP } }
#define IN_MODE(path_, prepare, program, fault, fails) \
    { .path = "vmsave/" path_, .rule = "3: VMLOAD, VMSAVE, ... (row 16)", \
      .run = in_mode, .fails_on_pristine = fails, \
      .data = &(const Mode) { prepare, program, fault } }

static const SVMCase cases[] = {
    REFUSED("vmsave-unaligned", STEP_vmsave, SCRATCH + 0x10),
    REFUSED("vmload-unaligned", STEP_vmload, SCRATCH + 0x800),
    REFUSED("vmrun-unaligned", STEP_vmrun, VMCB + 1),
    REFUSED("vmsave-at-limit", STEP_vmsave, PHYSICAL_LIMIT),
    REFUSED("vmload-at-limit", STEP_vmload, PHYSICAL_LIMIT),
    REFUSED("vmrun-at-limit", STEP_vmrun, PHYSICAL_LIMIT),
    REFUSED("vmsave-above-limit", STEP_vmsave, 1ULL << 63),
    REFUSED("vmload-above-limit", STEP_vmload, 1ULL << 52),

    SVME_OFF("vmsave", STEP_vmsave),
    SVME_OFF("vmload", STEP_vmload),
    SVME_OFF("vmrun", STEP_vmrun),
    SVME_OFF("clgi", STEP_clgi),

    WIDTH_32("vmsave", STEP_vmsave_other_width),
    WIDTH_32("vmload", STEP_vmload_other_width),
    WIDTH_16("vmsave", STEP_vmsave_other_width),
    WIDTH_16("vmload", STEP_vmload_other_width),
    {
        .path = "vmsave/address-size-16/vmrun",
        .rule = "3: VMRUN (row 17)",
        .run = address_size_of_vmrun,
        .host_mode = HOST_PAE,
        .fails_on_pristine = true,
    },

    LOADED("fs-base-canonical", "fs.base", 0x0000800000000000,
           0xffff800000000000, false),
    LOADED("gs-base-canonical", "gs.base", 0x1234800000001000,
           0xffff800000001000, false),
    LOADED("tr-base-canonical", "tr.base", 0x1234000000001000,
           0x1000, false),
    LOADED("kernel-gs-base-canonical", "kernel_gs_base", 0x0000800000000000,
           0xffff800000000000, false),
    LOADED("attributes-12-bits", "gs.attributes", 0xf493, 0x493, false),
    LOADED("star-64-bits", "star", 0xdeadbeef12345678, 0xdeadbeef12345678,
           false),
    LOADED_IN_32_BIT_HOSTS("attributes-12-bits", "gs.attributes", 0xf493,
                           0x493),
    LOADED_IN_32_BIT_HOSTS("star-64-bits", "star", 0xdeadbeef12345678,
                           0xdeadbeef12345678),
    LOADED("sfmask-32-bits", "sfmask", 0xdeadbeef00047700, 0x47700, true),
    LOADED("lstar-canonical", "lstar", 0x0000800000000000,
           0xffff800000000000, true),
    LOADED("sysenter-esp-unchanged", "sysenter_esp", 0x0000800000001000,
           0x0000800000001000, false),
    LOADED("sysenter-eip-unchanged", "sysenter_eip", 0x0000800000001000,
           0x0000800000001000, false),
    LOADED("cstar-canonical", "cstar", 0x0000800000000000,
           0xffff800000000000, true),
    {
        .path = "vmsave/saved-is-what-is-loaded",
        .rule = "3: VMSAVE, VMLOAD (row 14)",
        .run = saved_is_what_is_loaded,
    }, {
        .path = "vmsave/interrupt-message-while-counting",
        .rule = "3: VMSAVE (row 4)",
        .run = interrupt_message,
        .arguments = "-icount shift=0",
        .fails_on_pristine = true,
    }, {
        .path = "vmsave/loaded-value/sysenter-cs-as-by-wrmsr",
        .rule = "3: VMLOAD (row 14)",
        .run = sysenter_cs_has_one_width,
        .fails_on_pristine = true,
    },
    NON_CANONICAL("lstar", MSR_LSTAR),
    NON_CANONICAL("cstar", MSR_CSTAR),
    NON_CANONICAL("fs-base", MSR_FS_BASE),
    NON_CANONICAL("gs-base", MSR_GS_BASE),
    NON_CANONICAL("kernel-gs-base", MSR_KERNEL_GS_BASE),

    {
        .path = "vmsave/bases-are-the-msrs",
        .rule = "3: VMSAVE, VMLOAD",
        .run = bases_are_the_msrs,
    }, {
        .path = "vmsave/task-register-is-busy",
        .rule = "3: LTR, VMSAVE (row 13)",
        .run = task_register_is_busy,
        .fails_on_pristine = true,
    }, {
        .path = "vmsave/null-fs-is-not-present",
        .rule = "3: MOV, VMSAVE (row 13)",
        .run = null_fs_is_not_present,
    }, {
        .path = "vmsave/null-fs-base/kept",
        .rule = "2: 4.5.1; Zen 1 (row 13)",
        .run = null_fs_base,
        .data = &(bool) { true },
        .fails_on_pristine = true,
    }, {
        .path = "vmsave/null-fs-base/cleared-silently",
        .rule = "2: 4.5.1; Zen 2 (row 13)",
        .run = null_fs_base,
        .data = &(bool) { false },
        .arguments = "-cpu EPYC-Rome",
    }, {
        .path = "vmsave/null-fs-base/cleared",
        .rule = "2: 4.5.1; CPUID 8000_0021 EAX[6] (row 13)",
        .run = null_fs_base,
        .data = &(bool) { false },
        .arguments = "-cpu EPYC,null-sel-clr-base=on",
    }, {
        .path = "vmsave/null-ldtr-is-not-present",
        .rule = "3: LLDT, VMSAVE (row 13)",
        .run = null_ldtr_is_not_present,
        .fails_on_pristine = true,
    },

    {
        .path = "vmsave/refused-operand/vmsave-unaligned",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "3: VMLOAD, VMSAVE",
        .run = refused_operand,
        .data = &(const Operand) { STEP_vmsave, SCRATCH + 0x10 },
    }, {
        .path = "vmsave/refused-operand/vmrun-unaligned",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "3: VMRUN",
        .run = refused_operand,
        .data = &(const Operand) { STEP_vmrun, VMCB + 1 },
    }, {
        .path = "vmsave/svme-off/vmload",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "3: VMLOAD, VMSAVE",
        .run = svme_off,
        .data = &(const Operand) { STEP_vmload, SCRATCH },
    }, {
        .path = "vmsave/task-register-is-busy",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "3: LTR, VMSAVE (row 13)",
        .run = task_register_is_busy,
        .fails_on_pristine = true,
    }, {
        .path = "vmsave/null-ldtr-is-not-present",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "3: LLDT, VMSAVE (row 13)",
        .run = null_ldtr_is_not_present,
        .fails_on_pristine = true,
    }, {
        .path = "vmsave/in-guest/vmsave-no-nested-paging",
        .hosts = IN_32_BIT_HOSTS,
        .rule = "2: 15.33.1 (row 5)",
        .run = in_guest,
        .data = &(const Guest) { GUEST_vmsave, true, false },
        .fails_on_pristine = true,
    }, {
        .path = "vmsave/in-guest/vmload-nested-paging",
        .hosts = IN_PAGING_HOSTS,
        .rule = "2: 15.33.1 (row 5)",
        .run = in_guest,
        .data = &(const Guest) { GUEST_vmload, true, true },
        .fails_on_pristine = true,
    },

    IN_GUEST("vmsave-nested-paging", GUEST_vmsave, false, true, false),
    IN_GUEST("vmload-nested-paging", GUEST_vmload, false, true, false),
    IN_GUEST("vmsave-no-nested-paging", GUEST_vmsave, false, false, true),
    IN_GUEST("vmload-no-nested-paging", GUEST_vmload, false, false, true),
    IN_GUEST("vmsave-32-bit", GUEST_vmsave, true, true, true),
    IN_GUEST("vmload-32-bit", GUEST_vmload, true, true, true),
    {
        .path = "vmsave/intercepted/vmsave",
        .rule = "2: 15.9",
        .run = intercepted,
        .data = &(const Guest) { GUEST_vmsave },
    }, {
        .path = "vmsave/intercepted/vmload",
        .rule = "2: 15.9",
        .run = intercepted,
        .data = &(const Guest) { GUEST_vmload },
    },
    INTERCEPT_FIRST("vmsave", GUEST_vmsave, SVM_EXIT_VMSAVE),
    OPERAND_FIRST("vmsave", GUEST_vmsave, SVM_EXIT_VMSAVE),
    INTERCEPT_FIRST("vmload", GUEST_vmload, SVM_EXIT_VMLOAD),
    OPERAND_FIRST("vmload", GUEST_vmload, SVM_EXIT_VMLOAD),
    INTERCEPT_FIRST("vmrun", GUEST_vmrun, SVM_EXIT_VMRUN),
    OPERAND_FIRST("vmrun", GUEST_vmrun, SVM_EXIT_VMRUN),

    IN_MODE("cpl-3/vmsave", prepare_user, GUEST_vmsave, FAULT_GP, false),
    IN_MODE("cpl-3/vmload", prepare_user, GUEST_vmload, FAULT_GP, false),
    IN_MODE("cpl-3/vmrun", prepare_user, GUEST_vmrun, FAULT_GP, false),
    IN_MODE("real-mode/vmsave", prepare_real_mode, GUEST_vmsave, FAULT_UD,
            false),
    IN_MODE("real-mode/vmload", prepare_real_mode, GUEST_vmload, FAULT_UD,
            false),
    IN_MODE("real-mode/vmrun", prepare_real_mode, GUEST_vmrun, FAULT_UD,
            false),
    IN_MODE("virtual-8086/vmsave", prepare_virtual_8086, GUEST_vmsave,
            FAULT_UD, true),
    IN_MODE("virtual-8086/vmload", prepare_virtual_8086, GUEST_vmload,
            FAULT_UD, true),
    IN_MODE("virtual-8086/vmrun", prepare_virtual_8086, GUEST_vmrun,
            FAULT_UD, true),
    IN_MODE("virtual-8086/stgi", prepare_virtual_8086, GUEST_stgi,
            FAULT_UD, true),
    IN_MODE("virtual-8086/clgi", prepare_virtual_8086, GUEST_clgi,
            FAULT_UD, true),
    IN_MODE("virtual-8086/invlpga", prepare_virtual_8086, GUEST_invlpga,
            FAULT_UD, true),
};

int main(int argc, char **argv)
{
    return svm_test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
