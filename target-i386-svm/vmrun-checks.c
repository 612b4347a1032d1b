/*
 * VMRUN's consistency checks (2: 15.5.1 "Canonicalization and Consistency
 * Checks"): one line a rule, on the copies that VMRUN read.  Those of the
 * mode are #VMEXIT's checks of the host, too.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "model-specific-registers.h"
#include "world-switch.h"

/* In a function that returns the broken rule: fail if @condition holds. */
#define FAIL_IF(condition, looked_at, rule) \
    do { \
        if (condition) { \
            *value = (looked_at); \
            return rule; \
        } \
    } while (0)

/* The first address that a map of @size bytes may not start at any more. */
static uint64_t map_limit(CPUX86State *env, uint64_t size)
{
    return (1ULL << env_archcpu(env)->phys_bits) - size;
}

bool x86_pat_is_legal(uint64_t pat)
{
    int i;

    for (i = 0; i < 8; i++) {
        uint8_t type = pat >> (8 * i);

        /* UC, WC, WT, WP, WB, UC- (2: 7.8.1) */
        if (type > 7 || type == 2 || type == 3) {
            return false;
        }
    }
    return true;
}

static const char *check_controls(CPUX86State *env, uint64_t *value)
{
    const SVMControls *c = &env->svm.controls;

    FAIL_IF(!(c->intercept & VMCB_INTERCEPT(SVM_EXIT_VMRUN)), c->intercept,
            "the VMRUN intercept is clear");
    FAIL_IF(c->asid == 0, c->asid, "ASID is 0");
    FAIL_IF((env->features[FEAT_SVM] & CPUID_SVM_VNMI) &&
            (c->int_ctl & V_NMI_ENABLE_MASK) &&
            !(c->intercept & VMCB_INTERCEPT(SVM_EXIT_NMI)), c->int_ctl,
            "V_NMI_ENABLE without the NMI intercept");

    /*
     * Bits 11:0 of the bases are ignored.  Hosts rely on where the limit
     * lies: the last 12 KiB hold an IOPM, the last 8 KiB hold no MSRPM.
     */
    FAIL_IF((c->msrpm_base_pa & TARGET_PAGE_MASK) >=
            map_limit(env, SVM_MSRPM_SIZE), c->msrpm_base_pa,
            "MSRPM_BASE_PA reaches past the physical address limit");
    FAIL_IF((c->iopm_base_pa & TARGET_PAGE_MASK) >=
            map_limit(env, SVM_IOPM_SIZE), c->iopm_base_pa,
            "IOPM_BASE_PA reaches past the physical address limit");
    return NULL;
}

static const char *check_nested_paging(CPUX86State *env,
                                       const SVMRegisters *guest,
                                       uint64_t *value)
{
    const SVMControls *c = &env->svm.controls;

    if (!(c->nested_ctl & SVM_NPT_ENABLED)) {
        return NULL;
    }
    FAIL_IF(!(env->cr[0] & CR0_PG_MASK), env->cr[0],
            "NP_ENABLE while the host's CR0.PG is 0");
    FAIL_IF(c->nested_cr3 >> env_archcpu(env)->phys_bits, c->nested_cr3,
            "N_CR3 is above the physical address limit");
    FAIL_IF(!x86_pat_is_legal(guest->g_pat), guest->g_pat,
            "G_PAT has a reserved memory type");
    return NULL;
}

const char *svm_inconsistent_mode(CPUX86State *env,
                                  const SVMRegisters *state, uint64_t *value)
{
    bool long_mode = (state->efer & MSR_EFER_LME) &&
                     (state->cr0 & CR0_PG_MASK);
    uint64_t efer_long_mode = state->efer & (MSR_EFER_LMA | MSR_EFER_LME);

    FAIL_IF(state->efer & x86_efer_reserved_bits(env), state->efer,
            "EFER has a reserved bit set");
    FAIL_IF(efer_long_mode &&
            !(env->features[FEAT_8000_0001_EDX] & CPUID_EXT2_LM), state->efer,
            "EFER.LMA or EFER.LME without long mode");

    FAIL_IF(state->cr0 & SVM_CR0_RESERVED_MASK, state->cr0,
            "CR0[63:32] is not zero");
    FAIL_IF((state->cr0 & CR0_NW_MASK) && !(state->cr0 & CR0_CD_MASK),
            state->cr0, "CR0.NW is 1 while CR0.CD is 0");
    FAIL_IF((state->cr4 >> 32) || (state->cr4 & cr4_reserved_bits(env)),
            state->cr4, "CR4 has a reserved bit set");
    FAIL_IF(long_mode && !(state->cr4 & CR4_PAE_MASK), state->cr4,
            "EFER.LME and CR0.PG while CR4.PAE is 0");
    FAIL_IF(long_mode && !(state->cr0 & CR0_PE_MASK), state->cr0,
            "EFER.LME and CR0.PG while CR0.PE is 0");
    FAIL_IF(long_mode && (state->cs.flags & DESC_L_MASK) &&
            (state->cs.flags & DESC_B_MASK), state->cs.flags,
            "EFER.LME, CR0.PG, CS.L and CS.D are all 1");

    /* Only long mode has reserved bits there; else the upper half is lost. */
    FAIL_IF(long_mode && (state->cr3 >> env_archcpu(env)->phys_bits),
            state->cr3, "CR3 is above the physical address limit");
    return NULL;
}

static const char *check_guest_registers(CPUX86State *env,
                                         const SVMRegisters *guest,
                                         uint64_t *value)
{
    FAIL_IF(!(guest->efer & MSR_EFER_SVME), guest->efer, "EFER.SVME is 0");
    FAIL_IF(x86_has_illegal_pdpte(env, &guest->pdptes, value), *value,
            "a PDPTE has a reserved bit set");
    FAIL_IF(guest->dr6 & DR_RESERVED_MASK, guest->dr6,
            "DR6[63:32] is not zero");
    FAIL_IF(guest->dr7 & DR_RESERVED_MASK, guest->dr7,
            "DR7[63:32] is not zero");
    return NULL;
}

/* What may be injected (2: 15.20). */
static const char *check_event_injection(CPUX86State *env,
                                         const SVMRegisters *guest,
                                         uint64_t *value)
{
    uint32_t event = env->svm.controls.event_inj;
    uint8_t vector = event & SVM_EVTINJ_VEC_MASK;
    bool code_64 = (guest->efer & MSR_EFER_LME) &&
                   (guest->cr0 & CR0_PG_MASK) &&
                   (guest->cs.flags & DESC_L_MASK);

    if (!(event & SVM_EVTINJ_VALID)) {
        return NULL;
    }
    switch (event & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
    case SVM_EVTINJ_TYPE_NMI:
    case SVM_EVTINJ_TYPE_SOFT:
        return NULL;
    case SVM_EVTINJ_TYPE_EXEPT:
        FAIL_IF(vector == EXCP02_NMI || vector > 31, event,
                "EVENTINJ names no exception");
        /* 64-bit mode has neither INTO nor BOUND. */
        FAIL_IF(code_64 && (vector == EXCP04_INTO || vector == EXCP05_BOUND),
                event, "EVENTINJ of #OF or #BR into 64-bit mode");
        return NULL;
    default:
        FAIL_IF(true, event, "EVENTINJ has a reserved type");
    }
}

const char *svm_vmrun_failed_check(CPUX86State *env,
                                   const SVMRegisters *guest,
                                   uint64_t *value)
{
    const char *rule = check_controls(env, value);

    rule = rule ?: check_nested_paging(env, guest, value);
    rule = rule ?: check_guest_registers(env, guest, value);
    rule = rule ?: svm_inconsistent_mode(env, guest, value);
    return rule ?: check_event_injection(env, guest, value);
}
