/*
 * MOV to control registers and LMSW (2: 3.1), where guest and host meet the
 * rules of SVM: the selective CR0 intercept, reserved bits, virtual
 * interrupts.
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
#include "svm-callouts.h"

/* Changes that have the PDPTEs of legacy PAE paging loaded: KVM's reading. */
#define CR0_LOADS_PDPTES    (CR0_PG_MASK | CR0_CD_MASK | CR0_NW_MASK)
#define CR4_LOADS_PDPTES    (CR4_PAE_MASK | CR4_PSE_MASK | CR4_PGE_MASK | \
                             CR4_SMEP_MASK)

/* They are legal where they are loaded, and nested paging loads none. */
static void load_pdptes(CPUX86State *env, uint64_t cr0, uint64_t cr3,
                        uint64_t cr4, uintptr_t retaddr)
{
    X86PDPTEs pdptes = { };
    uint64_t pdpte;

    if (!svm_nested_paging(env)) {
        x86_read_pdptes(env, cr0, cr3, cr4, env->efer, &pdptes);
    }
    if (x86_has_illegal_pdpte(env, &pdptes, &pdpte)) {
        raise_exception_err_ra(env, EXCP0D_GPF, 0, retaddr);
    }
    x86_keep_pdptes(env, &pdptes);
}

static void write_cr0(CPUX86State *env, target_ulong value, uintptr_t retaddr)
{
    /* 2: 15.9; the plain CR0 write intercept was checked before. */
    if (((env->cr[0] ^ value) & ~(target_ulong)(CR0_TS_MASK | CR0_MP_MASK))) {
        cpu_svm_check_intercept_param(env, SVM_EXIT_CR0_SEL_WRITE, 0,
                                      retaddr);
    }
    if ((env->cr[0] ^ value) & CR0_LOADS_PDPTES) {
        load_pdptes(env, value, env->cr[3], env->cr[4], retaddr);
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
    load_pdptes(env, env->cr[0], value, env->cr[4], retaddr);
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
    if ((env->cr[4] ^ value) & CR4_LOADS_PDPTES) {
        load_pdptes(env, env->cr[0], env->cr[3], value, retaddr);
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
 * helper_lmsw: the LMSW instruction
 * @value: of CR0 afterwards
 *
 * The selective intercept takes every LMSW, whatever it changes (2: 15.9).
 */
void helper_lmsw(CPUX86State *env, target_ulong value)
{
    cpu_svm_check_intercept_param(env, SVM_EXIT_CR0_SEL_WRITE, 0, GETPC());
    cpu_x86_update_cr0(env, value);
    svm_check_write_trap(env, SVM_EXIT_CR0_WRITE_TRAP, env->cr[0], GETPC());
}

/**
 * helper_write_crN: MOV to CRn
 * @reg: number of the register
 *
 * #GP(0) for reserved bits, in the host as in a guest.
 */
void helper_write_crN(CPUX86State *env, int reg, target_ulong value)
{
    switch (reg) {
    case 0:
        svm_count(env, SVM_COUNT(cr0_write));
        write_cr0(env, value, GETPC());
        break;
    case 3:
        svm_count(env, SVM_COUNT(cr3_write));
        write_cr3(env, value, GETPC());
        break;
    case 4:
        svm_count(env, SVM_COUNT(cr4_write));
        write_cr4(env, value, GETPC());
        break;
    case 8:
        svm_count(env, SVM_COUNT(cr8_write));
        write_cr8(env, value);
        break;
    default:
        env->cr[reg] = value;
        break;
    }
    svm_check_write_trap(env, SVM_EXIT_CR0_WRITE_TRAP + reg,
                         reg == 8 ? value : env->cr[reg], GETPC());
}
