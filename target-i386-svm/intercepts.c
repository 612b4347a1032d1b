/*
 * Intercepts (2: 15.7 to 15.14): is one set, and what happens then.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "world-switch.h"
#include "svm-callouts.h"
#include "svm-features.h"

/* Where a range of MSRs starts in the permission map (2: 15.11). */
#define MSRPM_MSRS_PER_RANGE    0x2000

void svm_load_intercepts(CPUX86State *env)
{
    const SVMControls *controls = &env->svm.controls;

    env->intercept_cr_read = controls->intercept_cr_read;
    env->intercept_cr_write = controls->intercept_cr_write;
    env->intercept_dr_read = controls->intercept_dr_read;
    env->intercept_dr_write = controls->intercept_dr_write;
    env->intercept_exceptions = controls->intercept_exceptions;
    env->intercept = controls->intercept;
}

void svm_clear_intercepts(CPUX86State *env)
{
    env->intercept_cr_read = 0;
    env->intercept_cr_write = 0;
    env->intercept_dr_read = 0;
    env->intercept_dr_write = 0;
    env->intercept_exceptions = 0;
    env->intercept = 0;
}

/**
 * cpu_svm_has_intercept: is the intercept of @type set?
 * @type: its exit code (2: appendix C)
 */
bool cpu_svm_has_intercept(CPUX86State *env, uint32_t type)
{
    switch (type) {
    case SVM_EXIT_READ_CR0 ... SVM_EXIT_READ_CR0 + 15:
        return extract32(env->intercept_cr_read, type - SVM_EXIT_READ_CR0, 1);
    case SVM_EXIT_WRITE_CR0 ... SVM_EXIT_WRITE_CR0 + 15:
        return extract32(env->intercept_cr_write, type - SVM_EXIT_WRITE_CR0,
                         1);
    case SVM_EXIT_READ_DR0 ... SVM_EXIT_READ_DR0 + 15:
        return extract32(env->intercept_dr_read, type - SVM_EXIT_READ_DR0, 1);
    case SVM_EXIT_WRITE_DR0 ... SVM_EXIT_WRITE_DR0 + 15:
        return extract32(env->intercept_dr_write, type - SVM_EXIT_WRITE_DR0,
                         1);
    case SVM_EXIT_EXCP_BASE ... SVM_EXIT_EXCP_BASE + 31:
        return extract32(env->intercept_exceptions, type - SVM_EXIT_EXCP_BASE,
                         1);
    case SVM_EXIT_INTR ... SVM_EXIT_INTR + 63:
        return extract64(env->intercept, type - SVM_EXIT_INTR, 1);
    case SVM_EXIT_INVLPGB ... SVM_EXIT_INVLPGB + 31:
        return (env->hflags & HF_GUEST_MASK) &&
               extract32(env->svm.controls.intercept_word5,
                         type - SVM_EXIT_INVLPGB, 1);
    default:
        return false;
    }
}

/*
 * The map has two bits an MSR, the lower one for reads; an MSR outside of
 * its three ranges is always intercepted (2: 15.11).
 */
static bool msr_is_intercepted(CPUX86State *env, bool write)
{
    uint64_t map = env->svm.controls.msrpm_base_pa & TARGET_PAGE_MASK;
    uint32_t msr = env->regs[R_ECX];
    uint32_t bit;

    switch (msr) {
    case 0x00000000 ... 0x00001fff:
        bit = msr * 2;
        break;
    case 0xc0000000 ... 0xc0001fff:
        bit = (msr - 0xc0000000 + MSRPM_MSRS_PER_RANGE) * 2;
        break;
    case 0xc0010000 ... 0xc0011fff:
        bit = (msr - 0xc0010000 + 2 * MSRPM_MSRS_PER_RANGE) * 2;
        break;
    default:
        return true;
    }
    bit += write;
    return x86_ldub_phys(env_cpu(env), map + bit / 8) & (1 << (bit % 8));
}

/*
 * HLT of a guest that a virtual interrupt or NMI will wake at once is no idle
 * one (2: 15.9).  The manual does not say what comes first if both intercepts
 * are set; here it is the one of every HLT.
 */
static bool hlt_is_idle(const CPUX86State *env)
{
    return (env->features[FEAT_SVM] & CPUID_SVM_IDLE_HLT) &&
           !(env_cpu_const(env)->interrupt_request &
             (CPU_INTERRUPT_VIRQ | CPU_INTERRUPT_VNMI));
}

/**
 * cpu_svm_check_intercept_param: leave the guest if @type is intercepted
 * @type: exit code
 * @param: EXITINFO1; for SVM_EXIT_MSR 1 if it is a write
 * @retaddr: return address into generated code, 0 outside of it
 */
void cpu_svm_check_intercept_param(CPUX86State *env, uint32_t type,
                                   uint64_t param, uintptr_t retaddr)
{
    if (likely(!(env->hflags & HF_GUEST_MASK))) {
        return;
    }
    if (type == SVM_EXIT_HLT && !cpu_svm_has_intercept(env, type) &&
        hlt_is_idle(env)) {
        type = SVM_EXIT_IDLE_HLT;
    }
    if (!cpu_svm_has_intercept(env, type)) {
        return;
    }
    if (type == SVM_EXIT_MSR && !msr_is_intercepted(env, param)) {
        return;
    }
    if (type == SVM_EXIT_PAUSE && svm_pause_passes_filter(env)) {
        return;
    }
    cpu_vmexit(env, type, param, retaddr);
}

/*
 * The exceptions of MOV DRn come before its intercept: KVM's reading, whose
 * debuggers of guests rely on it.
 */
static void check_debug_register_access(CPUX86State *env, uint32_t type,
                                        uintptr_t retaddr)
{
    int reg = (type - SVM_EXIT_READ_DR0) % 16;

    if ((reg == 4 || reg == 5) && (env->cr[4] & CR4_DE_MASK)) {
        raise_exception_ra(env, EXCP06_ILLOP, retaddr);
    }
    if (env->dr[7] & DR7_GD) {
        env->dr[7] &= ~DR7_GD;
        env->dr[6] |= DR6_BD;
        raise_exception_ra(env, EXCP01_DB, retaddr);
    }
}

/**
 * helper_svm_check_intercept: the same for an instruction without operand
 */
void helper_svm_check_intercept(CPUX86State *env, uint32_t type)
{
    if (type >= SVM_EXIT_READ_DR0 && type <= SVM_EXIT_WRITE_DR0 + 15) {
        check_debug_register_access(env, type, GETPC());
    }
    cpu_svm_check_intercept_param(env, type, 0, GETPC());
}

/**
 * svm_check_intercept: the same for an exit with EXITINFO2
 */
void svm_check_intercept(CPUX86State *env, uint32_t type, uint64_t exit_info_1,
                         uint64_t exit_info_2, uintptr_t retaddr)
{
    if (likely(!(env->hflags & HF_GUEST_MASK)) ||
        !cpu_svm_has_intercept(env, type)) {
        return;
    }
    svm_set_exit_info_2(env, exit_info_2);
    cpu_vmexit(env, type, exit_info_1, retaddr);
}

/**
 * svm_check_write_trap: leave the guest after it has written a register
 * @type: exit code
 * @value: what the register holds now: EXITINFO1
 * @retaddr: return address into generated code
 *
 * The instruction has ended by then (2: 15.9, 15.35.8).
 */
void svm_check_write_trap(CPUX86State *env, uint32_t type, uint64_t value,
                          uintptr_t retaddr)
{
    if (likely(!(env->hflags & HF_GUEST_MASK)) ||
        !cpu_svm_has_intercept(env, type)) {
        return;
    }
    cpu_restore_state(env_cpu(env), retaddr);
    env->eip = svm_next_instruction(env);
    do_end_instruction(env);
    cpu_vmexit(env, type, value, 0);
}

/**
 * helper_svm_check_io: leave the guest if its access to @port is intercepted
 * @port: I/O port
 * @param: EXITINFO1 without the port; bits 6:4 have the size in bytes
 * @next_eip_addend: length of the instruction in bytes
 *
 * 2: 15.10; the map has a bit a port, and goes three bits past port FFFFh.
 */
void helper_svm_check_io(CPUX86State *env, uint32_t port, uint32_t param,
                         uint32_t next_eip_addend)
{
    uint64_t map = env->svm.controls.iopm_base_pa & TARGET_PAGE_MASK;
    uint32_t bytes = (param & SVM_IOIO_SIZE_MASK) >> SVM_IOIO_SIZE_SHIFT;
    uint32_t ports = MAKE_64BIT_MASK(port % 8, bytes);

    if (!cpu_svm_has_intercept(env, SVM_EXIT_IOIO)) {
        return;
    }
    if (x86_lduw_phys(env_cpu(env), map + port / 8) & ports) {
        if (!svm_decode_assists(env)) {
            param &= ~SVM_IOIO_SEGMENT_MASK;
        }
        env->svm.exit_info_2 = env->eip + next_eip_addend;
        cpu_vmexit(env, SVM_EXIT_IOIO, param | (port << 16), GETPC());
    }
}

/**
 * helper_vmmcall: the VMMCALL instruction (3: VMMCALL): #UD if not intercepted
 */
void helper_vmmcall(CPUX86State *env)
{
    cpu_svm_check_intercept_param(env, SVM_EXIT_VMMCALL, 0, GETPC());
    raise_exception(env, EXCP06_ILLOP);
}
