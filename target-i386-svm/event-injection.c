/*
 * Events on their way into the guest: EVENTINJ (2: 15.20) and what
 * EXITINTINFO reports of them (2: 15.7.2).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "world-switch.h"
#include "svm-callouts.h"

static uint32_t event_type(int intno, bool is_int, bool is_hw)
{
    if (is_int) {
        return SVM_EVTINJ_TYPE_SOFT;
    }
    if (!is_hw) {
        return SVM_EVTINJ_TYPE_EXEPT;
    }
    return intno == EXCP02_NMI ? SVM_EVTINJ_TYPE_NMI : SVM_EVTINJ_TYPE_INTR;
}

/**
 * handle_even_inj: an event starts its way to its handler in the guest
 * @intno: vector
 * @is_int: raised by an INTn instruction
 * @error_code: what the handler will find on its stack
 * @is_hw: a physical or virtual interrupt, or an NMI
 * @rm: real mode, which has no error codes
 *
 * An event that was injected, or during which this one was raised, goes on
 * to be the one that EXITINTINFO reports.
 */
void handle_even_inj(CPUX86State *env, int intno, int is_int,
                     int error_code, int is_hw, int rm)
{
    SVMEvent *event = &env->svm.delivering;
    uint32_t type = event_type(intno, is_int, is_hw);

    if (event->info & SVM_EVTINJ_VALID) {
        return;
    }
    event->info = SVM_EVTINJ_VALID | type | (intno & SVM_EVTINJ_VEC_MASK);
    event->error_code = 0;
    if (type == SVM_EVTINJ_TYPE_EXEPT && !rm &&
        exception_has_error_code(intno)) {
        event->info |= SVM_EVTINJ_VALID_ERR;
        event->error_code = error_code;
    }
}

/**
 * svm_event_delivered: the event has reached its handler
 */
void svm_event_delivered(CPUX86State *env)
{
    env->svm.delivering = (SVMEvent) { };
}

/*
 * Where an injected software interrupt returns to (2: 15.20).  KVM relies on
 * the same for #BP and #OF, which act as if raised by INT3 and INTO.
 */
static target_ulong return_address(const CPUX86State *env)
{
    return env->features[FEAT_SVM] & CPUID_SVM_NRIPSAVE ?
           env->svm.controls.next_rip : env->eip;
}

void svm_inject_event(CPUX86State *env)
{
    const SVMControls *controls = &env->svm.controls;
    uint32_t event = controls->event_inj;
    CPUState *cs = env_cpu(env);

    if (!(event & SVM_EVTINJ_VALID)) {
        return;
    }
    env->svm.delivering = (SVMEvent) {
        .info = event,
        .error_code = controls->event_inj_err,
    };

    cs->exception_index = event & SVM_EVTINJ_VEC_MASK;
    env->error_code = controls->event_inj_err;
    env->exception_is_int = 0;
    env->exception_next_eip = env->eip;

    switch (event & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
        cs->exception_index = -1;
        do_interrupt_x86_hardirq(env, event & SVM_EVTINJ_VEC_MASK, 1);
        return;
    case SVM_EVTINJ_TYPE_NMI:
        /* The vector field is ignored. */
        cs->exception_index = EXCP02_NMI;
        svm_mask_injected_nmi(env);
        break;
    case SVM_EVTINJ_TYPE_EXEPT:
        env->exception_next_eip = -1;
        if (cs->exception_index == EXCP03_INT3 ||
            cs->exception_index == EXCP04_INTO) {
            env->exception_is_int = 1;
            env->exception_next_eip = return_address(env);
        }
        break;
    case SVM_EVTINJ_TYPE_SOFT:
        env->exception_is_int = 1;
        env->exception_next_eip = return_address(env);
        break;
    default:
        /* The consistency checks let no other type through. */
        g_assert_not_reached();
    }
    cpu_loop_exit(cs);
}
