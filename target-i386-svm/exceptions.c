/*
 * Exceptions and software interrupts as they are raised: their intercepts
 * (2: 15.9, 15.12), double faults (2: 8.2.9) and shutdown (2: 15.14.3).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/log.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "system/runstate.h"
#include "system/tcg.h"
#include "world-switch.h"
#include "svm-callouts.h"
#include "svm-features.h"

/**
 * exception_has_error_code: does the processor push one for @intno?
 */
int exception_has_error_code(int intno)
{
    switch (intno) {
    case EXCP08_DBLE:
    case EXCP0A_TSS ... EXCP0E_PAGE:
    case EXCP11_ALGN:
    case EXCP1E_SX:
        return true;
    default:
        return false;
    }
}

static bool is_contributory(int vector)
{
    return vector == EXCP00_DIVZ ||
           (vector >= EXCP0A_TSS && vector <= EXCP0D_GPF);
}

static bool make_double_fault(int first, int second)
{
    if (first == EXCP0E_PAGE) {
        return second == EXCP0E_PAGE || is_contributory(second);
    }
    return is_contributory(first) && is_contributory(second);
}

void svm_exception_starts(CPUX86State *env, int vector)
{
    if (is_contributory(vector) || vector == EXCP0E_PAGE ||
        vector == EXCP08_DBLE) {
        env->old_exception = vector;
    }
}

static G_NORETURN void deliver(CPUX86State *env, int vector,
                               SoftwareEvent software, int error_code,
                               target_ulong next_eip, uintptr_t retaddr)
{
    CPUState *cs = env_cpu(env);

    cs->exception_index = vector;
    env->error_code = error_code;
    env->exception_is_int = software;
    env->exception_next_eip = next_eip;
    /* What was injected before has been given up for this. */
    env->svm.delivering.is_injected = false;
    cpu_loop_exit_restore(cs, retaddr);
}

static G_NORETURN void shut_down(CPUX86State *env, uintptr_t retaddr)
{
    CPUState *cs = env_cpu(env);

    cpu_svm_check_intercept_param(env, SVM_EXIT_SHUTDOWN, 0, retaddr);

    qemu_log_mask(CPU_LOG_RESET, "Triple fault\n");
    qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
    cs->exception_index = EXCP_HLT;
    cpu_loop_exit_restore(cs, retaddr);
}

/*
 * The intercept of an exception comes before a double fault is made of it
 * and the one before; so does that of one that would shut the machine down
 * (Bochs agrees).  The double fault is an exception with an intercept of its
 * own.
 */
static G_NORETURN void raise_any_exception(CPUX86State *env, int vector,
                                           int error_code, uintptr_t retaddr)
{
    int first = env->old_exception;

    cpu_svm_check_intercept_param(env, SVM_EXIT_EXCP_BASE + vector,
                                  error_code, retaddr);
    qemu_log_mask(CPU_LOG_INT, "exception 0x%x, during 0x%x\n", vector, first);
    if (first == EXCP08_DBLE) {
        shut_down(env, retaddr);
    }
    if (make_double_fault(first, vector)) {
        vector = EXCP08_DBLE;
        error_code = 0;
        cpu_svm_check_intercept_param(env, SVM_EXIT_EXCP_BASE + EXCP08_DBLE,
                                      0, retaddr);
    }
    svm_exception_starts(env, vector);
    deliver(env, vector, NOT_SOFTWARE, error_code, env->eip, retaddr);
}

/**
 * raise_exception, raise_exception_err, ...: an exception that is not one of
 * INT3 and INTO
 * @error_code: 0 where there is none
 * @retaddr: return address into generated code, 0 outside of it
 */
void raise_exception_err_ra(CPUX86State *env, int exception_index,
                            int error_code, uintptr_t retaddr)
{
    raise_any_exception(env, exception_index, error_code, retaddr);
}

void raise_exception_err(CPUX86State *env, int exception_index, int error_code)
{
    raise_any_exception(env, exception_index, error_code, 0);
}

void raise_exception_ra(CPUX86State *env, int exception_index,
                        uintptr_t retaddr)
{
    raise_any_exception(env, exception_index, 0, retaddr);
}

void raise_exception(CPUX86State *env, int exception_index)
{
    raise_any_exception(env, exception_index, 0, 0);
}

/**
 * helper_raise_interrupt: INTn, which has an intercept of its own
 */
void helper_raise_interrupt(CPUX86State *env, int intno, int next_eip_addend)
{
    cpu_restore_state(env_cpu(env), GETPC());
    cpu_svm_check_intercept_param(env, SVM_EXIT_SWINT, 0, 0);
    deliver(env, intno, SOFTWARE_INTERRUPT, 0, env->eip + next_eip_addend, 0);
}

/*
 * INT3 and INTO raise exceptions, and those have intercepts (2: 15.12.4,
 * 15.12.5); in all else they act as INTn does.
 */
static G_NORETURN void raise_software_exception(CPUX86State *env, int vector,
                                                int next_eip_addend,
                                                uintptr_t retaddr)
{
    cpu_restore_state(env_cpu(env), retaddr);
    cpu_svm_check_intercept_param(env, SVM_EXIT_EXCP_BASE + vector, 0, 0);
    deliver(env, vector, SOFTWARE_EXCEPTION, 0, env->eip + next_eip_addend, 0);
}

/**
 * helper_int3: the INT3 instruction
 */
void helper_int3(CPUX86State *env, int next_eip_addend)
{
    raise_software_exception(env, EXCP03_INT3, next_eip_addend, GETPC());
}

/**
 * helper_into: the INTO instruction
 */
void helper_into(CPUX86State *env, int next_eip_addend)
{
    if (cpu_cc_compute_all(env) & CC_O) {
        raise_software_exception(env, EXCP04_INTO, next_eip_addend, GETPC());
    }
}

/**
 * x86_trap_after_halt: the single-step trap of a HLT that has ended
 *
 * Called outside of the main loop's reach: the loop finds what is left here.
 */
void x86_trap_after_halt(CPUX86State *env)
{
    const uint32_t exit_code = SVM_EXIT_EXCP_BASE + EXCP01_DB;
    CPUState *cs = env_cpu(env);

    env->dr[6] |= DR6_BS;
    if ((env->hflags & HF_GUEST_MASK) &&
        cpu_svm_has_intercept(env, exit_code)) {
        svm_request_vmexit(env, exit_code, 0);
        return;
    }
    cs->exception_index = EXCP01_DB;
    env->error_code = 0;
    env->exception_is_int = NOT_SOFTWARE;
    env->exception_next_eip = env->eip;
}

/*
 * A guest without CR4.MCE does not turn #MC into a shutdown where its host has
 * CR4.MCE and the processor that feature: it exits, whatever the intercept
 * (3: appendix E, CPUID 8000_000A).
 */
static bool host_takes_machine_check(CPUX86State *env)
{
    SVMRegisters host;

    /* A machine check comes from outside of the main loop, which holds it. */
    RCU_READ_LOCK_GUARD();
    if (!(env->hflags & HF_GUEST_MASK) || (env->cr[4] & CR4_MCE_MASK) ||
        !(env->features[FEAT_SVM] & CPUID_SVM_HOST_MCE_OVERRIDE)) {
        return false;
    }
    svm_read_host(env, &host);
    return host.cr4 & CR4_MCE_MASK;
}

/**
 * x86_takes_machine_check: is #MC enabled, for the processor or for its host?
 */
bool x86_takes_machine_check(CPUX86State *env)
{
    return (env->cr[4] & CR4_MCE_MASK) ||
           (tcg_enabled() && host_takes_machine_check(env));
}

/**
 * svm_check_machine_check_intercept: #MC is about to be taken
 */
void svm_check_machine_check_intercept(CPUX86State *env)
{
    if (host_takes_machine_check(env)) {
        cpu_vmexit(env, SVM_EXIT_EXCP_BASE + EXCP12_MCHK, 0, 0);
    }
    cpu_svm_check_intercept_param(env, SVM_EXIT_EXCP_BASE + EXCP12_MCHK, 0, 0);
}

/**
 * x86_shut_down_for_machine_check: one that the processor cannot take
 *
 * Called outside of the main loop's reach.  Shutdown, as a triple fault.
 */
void x86_shut_down_for_machine_check(CPUX86State *env)
{
    if (tcg_enabled() && (env->hflags & HF_GUEST_MASK) &&
        cpu_svm_has_intercept(env, SVM_EXIT_SHUTDOWN)) {
        env_cpu(env)->halted = 0;
        svm_request_vmexit(env, SVM_EXIT_SHUTDOWN, 0);
        return;
    }
    qemu_system_reset_request(SHUTDOWN_CAUSE_GUEST_RESET);
}
