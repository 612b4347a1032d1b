/*
 * MOV to control registers (2: 3.1), where guest and host meet the rules of
 * SVM: the selective CR0 intercept, reserved bits, virtual interrupts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "hw/i386/apic.h"
#include "world-switch.h"

static void write_cr0(CPUX86State *env, target_ulong value, uintptr_t retaddr)
{
    /* 2: 15.9; the plain CR0 write intercept was checked before. */
    if (((env->cr[0] ^ value) & ~(target_ulong)(CR0_TS_MASK | CR0_MP_MASK))) {
        cpu_svm_check_intercept_param(env, SVM_EXIT_CR0_SEL_WRITE, 0,
                                      retaddr);
    }
    cpu_x86_update_cr0(env, value);
}

static void write_cr3(CPUX86State *env, target_ulong value, uintptr_t retaddr)
{
    if (!(env->efer & MSR_EFER_LMA)) {
        value = (uint32_t)value;
    } else if ((uint64_t)value >> env_archcpu(env)->phys_bits) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    cpu_x86_update_cr3(env, value);
}

static void write_cr4(CPUX86State *env, target_ulong value, uintptr_t retaddr)
{
    if ((value & cr4_reserved_bits(env)) ||
        ((env->efer & MSR_EFER_LMA) && !(value & CR4_PAE_MASK)) ||
        (((value ^ env->cr[4]) & CR4_LA57_MASK) &&
         (env->hflags & HF_CS64_MASK))) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    cpu_x86_update_cr4(env, value);
}

/* CR8 is V_TPR if the guest's interrupts are virtual (2: 15.21.2). */
static void write_cr8(CPUX86State *env, target_ulong value)
{
    if (!(env->hflags2 & HF2_VINTR_MASK)) {
        bql_lock();
        cpu_set_apic_tpr(env_archcpu(env)->apic_state, value);
        bql_unlock();
    }
    env->int_ctl = deposit32(env->int_ctl, 0, 4, value);
    svm_set_virtual_interrupt_pending(env, ctl_has_irq(env));
}

/**
 * helper_write_crN: MOV to CRn, and LMSW to CR0
 * @reg: number of the register
 *
 * #GP(0) for reserved bits, in the host as in a guest.
 */
void helper_write_crN(CPUX86State *env, int reg, target_ulong value)
{
    switch (reg) {
    case 0:
        write_cr0(env, value, GETPC());
        break;
    case 3:
        write_cr3(env, value, GETPC());
        break;
    case 4:
        write_cr4(env, value, GETPC());
        break;
    case 8:
        write_cr8(env, value);
        break;
    default:
        env->cr[reg] = value;
        break;
    }
}
