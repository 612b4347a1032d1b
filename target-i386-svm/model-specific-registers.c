/*
 * RDMSR and WRMSR (3: RDMSR, WRMSR) of the registers that SVM is about, and
 * of those that QEMU has more lenient rules for.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "world-switch.h"
#include "model-specific-registers.h"

typedef struct ModelSpecificRegister {
    uint32_t index;
    /* Without it every processor has the register. */
    bool (*exists)(const CPUX86State *env);
    /* Where CPUX86State has what a read finds, if nothing reads it. */
    size_t place;
    /* Without them, and without a place, QEMU's own code does it. */
    uint64_t (*read)(CPUX86State *env);
    bool (*write)(CPUX86State *env, uint64_t value);
    bool is_write_only;
} ModelSpecificRegister;

static bool has_tsc(const CPUX86State *env)
{
    return env->features[FEAT_1_EDX] & CPUID_TSC;
}

static bool has_svm(const CPUX86State *env)
{
    return env->features[FEAT_8000_0001_ECX] & CPUID_EXT3_SVM;
}

/* The bits of EFER that the processor's features let software write. */
static uint64_t writable_efer(const CPUX86State *env)
{
    uint32_t features = env->features[FEAT_8000_0001_EDX];

    return (features & CPUID_EXT2_SYSCALL ? MSR_EFER_SCE : 0) |
           (features & CPUID_EXT2_LM ? MSR_EFER_LME : 0) |
           (features & CPUID_EXT2_NX ? MSR_EFER_NXE : 0) |
           (features & CPUID_EXT2_FFXSR ? MSR_EFER_FFXSR : 0) |
           (has_svm(env) ? MSR_EFER_SVME : 0) |
           (x86_has_mcommit(env) ? MSR_EFER_MCOMMIT : 0);
}

uint64_t x86_efer_reserved_bits(const CPUX86State *env)
{
    return MSR_EFER_RESERVED & ~(x86_has_mcommit(env) ? MSR_EFER_MCOMMIT : 0);
}

/*
 * 2: 3.1.7.  Where the manual lets software preserve LMA, KVM and Bochs
 * ignore what is written there.
 */
static bool write_efer(CPUX86State *env, uint64_t value)
{
    uint64_t writable = writable_efer(env);

    if ((value & ~(writable | MSR_EFER_LMA)) ||
        (((value ^ env->efer) & MSR_EFER_LME) &&
         (env->cr[0] & CR0_PG_MASK)) ||
        ((value & MSR_EFER_SVME) && (env->svm.vm_cr & VM_CR_SVMDIS))) {
        return false;
    }
    if (!(value & MSR_EFER_SVME)) {
        /* Without SVM nothing could set GIF again: KVM's reading. */
        env->hflags2 |= HF2_GIF_MASK;
    }
    cpu_load_efer(env, (value & writable) | (env->efer & MSR_EFER_LMA));
    return true;
}

static bool is_amd(const CPUX86State *env)
{
    return IS_AMD_CPU(env);
}

static bool refuse(CPUX86State *env, uint64_t value)
{
    return false;
}

static uint64_t read_zero(CPUX86State *env)
{
    return 0;
}

#define PLACE(member)   .place = offsetof(CPUX86State, member)

static const ModelSpecificRegister registers[] = {
    { MSR_IA32_TSC, has_tsc, .read = x86_read_tsc, .write = x86_write_tsc },
    { MSR_IA32_SPEC_CTRL, x86_has_spec_ctrl, .read = x86_read_spec_ctrl,
      .write = x86_write_spec_ctrl },
    { MSR_PRED_CMD, x86_has_pred_cmd, .write = x86_write_pred_cmd,
      .is_write_only = true },
    { MSR_DEBUGCTL, is_amd, PLACE(svm.last.debugctl),
      .write = x86_write_debugctl },
    { MSR_LAST_BRANCH_FROM, is_amd, PLACE(svm.last.branch_from),
      .write = refuse },
    { MSR_LAST_BRANCH_TO, is_amd, PLACE(svm.last.branch_to),
      .write = refuse },
    { MSR_LAST_EXCEPTION_FROM, is_amd, PLACE(svm.last.exception_from),
      .write = refuse },
    { MSR_LAST_EXCEPTION_TO, is_amd, PLACE(svm.last.exception_to),
      .write = refuse },
    { MSR_EFER, .write = write_efer },
    { MSR_AMD64_TSC_RATIO, svm_has_tsc_ratio, PLACE(amd_tsc_scale_msr),
      .write = svm_write_tsc_ratio },
    { MSR_VM_CR, has_svm, PLACE(svm.vm_cr), .write = svm_write_vm_cr },
    { MSR_SVM_KEY, svm_has_lock, .read = read_zero, .write = svm_write_key },
};

static const ModelSpecificRegister *addressed_register(CPUX86State *env)
{
    uint32_t index = env->regs[R_ECX];
    size_t i;

    for (i = 0; i < ARRAY_SIZE(registers); i++) {
        const ModelSpecificRegister *reg = &registers[i];

        if (reg->index == index) {
            return !reg->exists || reg->exists(env) ? reg : NULL;
        }
    }
    return NULL;
}

/*
 * SYSENTER_ESP and SYSENTER_EIP are not among them: KVM's reading is that
 * AMD's processors take any value there, and VMLOAD leaves it alone.
 */
static bool holds_only_canonical_addresses(uint32_t index)
{
    switch (index) {
#ifdef TARGET_X86_64
    case MSR_LSTAR:
    case MSR_CSTAR:
    case MSR_FSBASE:
    case MSR_GSBASE:
    case MSR_KERNELGSBASE:
        return true;
#endif
    default:
        return false;
    }
}

/**
 * x86_read_msr: RDMSR of the register in ECX
 *
 * Returns false if QEMU's own code is to do it; does not return if it is
 * #GP(0).
 */
bool x86_read_msr(CPUX86State *env, uintptr_t retaddr)
{
    const ModelSpecificRegister *reg = addressed_register(env);
    uint64_t value;

    svm_count_msr(env, env->regs[R_ECX], false);
    if (x86_msr_is_foreign(env, env->regs[R_ECX]) ||
        (reg && reg->is_write_only)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    if (!reg || !(reg->read || reg->place)) {
        return false;
    }
    value = reg->read ? reg->read(env)
                      : *(uint64_t *)((uint8_t *)env + reg->place);
    env->regs[R_EAX] = (uint32_t)value;
    env->regs[R_EDX] = value >> 32;
    return true;
}

/**
 * x86_write_msr: WRMSR of @value to the register in ECX
 *
 * Returns false if QEMU's own code is to do it; does not return if it is
 * #GP(0).
 */
bool x86_write_msr(CPUX86State *env, uint64_t value, uintptr_t retaddr)
{
    const ModelSpecificRegister *reg = addressed_register(env);
    uint32_t index = env->regs[R_ECX];
    bool legal = (!holds_only_canonical_addresses(index) ||
                  x86_is_canonical(env, value)) &&
                 !x86_msr_is_foreign(env, index) &&
                 !x86_msr_value_is_reserved(env, index, value);

    svm_count_msr(env, index, true);
    if (legal && (!reg || !reg->write)) {
        return false;
    }
    if (!legal || !reg->write(env, value)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    if (reg->index == MSR_EFER) {
        svm_check_write_trap(env, SVM_EXIT_EFER_WRITE_TRAP, env->efer,
                             retaddr);
    }
    return true;
}
