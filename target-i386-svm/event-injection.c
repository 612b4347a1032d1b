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

static uint32_t event_type(int intno, SoftwareEvent software, bool is_hw)
{
    if (software == SOFTWARE_INTERRUPT) {
        return SVM_EVTINJ_TYPE_SOFT;
    }
    if (software == SOFTWARE_EXCEPTION || !is_hw) {
        return SVM_EVTINJ_TYPE_EXEPT;
    }
    return intno == EXCP02_NMI ? SVM_EVTINJ_TYPE_NMI : SVM_EVTINJ_TYPE_INTR;
}

/**
 * handle_even_inj: an event starts its way to its handler in the guest
 * @intno: vector
 * @is_int: a SoftwareEvent
 * @error_code: what the handler will find on its stack
 * @is_hw: a physical or virtual interrupt, or an NMI
 * @rm: real mode, which has no error codes
 *
 * EXITINTINFO reports the last one that was not delivered: one that is raised
 * while another one is delivered takes its place, as in Bochs.
 */
void handle_even_inj(CPUX86State *env, int intno, int is_int,
                     int error_code, int is_hw, int rm)
{
    SVMEvent *event = &env->svm.delivering;
    uint32_t type = event_type(intno, is_int, is_hw);

    if (event->is_injected) {
        return;
    }
    event->info = SVM_EVTINJ_VALID | type | (intno & SVM_EVTINJ_VEC_MASK);
    event->error_code = 0;
    if (svm_pushes_error_code(env, intno, is_int || is_hw) && !rm) {
        event->info |= SVM_EVTINJ_VALID_ERR;
        event->error_code = error_code;
    }
}

/**
 * svm_pushes_error_code: will the event's handler find an error code?
 * @is_interrupt: the event is an interrupt, or a software exception
 *
 * EVENTINJ.EV decides it for an injected exception, whatever its vector
 * (2: 15.20; Bochs agrees).
 */
bool svm_pushes_error_code(const CPUX86State *env, int vector,
                           bool is_interrupt)
{
    const SVMEvent *event = &env->svm.delivering;

    if (event->is_injected) {
        return (event->info & SVM_EVTINJ_TYPE_MASK) ==
                   SVM_EVTINJ_TYPE_EXEPT &&
               (event->info & SVM_EVTINJ_VALID_ERR);
    }
    return !is_interrupt && exception_has_error_code(vector);
}

/**
 * svm_event_delivered: the event has reached its handler
 */
void svm_event_delivered(CPUX86State *env)
{
    env->svm.delivering = (SVMEvent) { };
    svm_disarm_monitor(env);
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
        .is_injected = true,
    };

    cs->exception_index = event & SVM_EVTINJ_VEC_MASK;
    env->error_code = controls->event_inj_err;
    env->exception_is_int = NOT_SOFTWARE;
    env->exception_next_eip = env->eip;

    switch (event & SVM_EVTINJ_TYPE_MASK) {
    case SVM_EVTINJ_TYPE_INTR:
        break;
    case SVM_EVTINJ_TYPE_NMI:
        /* The vector field is ignored. */
        cs->exception_index = EXCP02_NMI;
        svm_mask_injected_nmi(env);
        break;
    case SVM_EVTINJ_TYPE_EXEPT:
        if (cs->exception_index == EXCP03_INT3 ||
            cs->exception_index == EXCP04_INTO) {
            env->exception_is_int = SOFTWARE_EXCEPTION;
            env->exception_next_eip = return_address(env);
        }
        svm_exception_starts(env, cs->exception_index);
        break;
    case SVM_EVTINJ_TYPE_SOFT:
        env->exception_is_int = SOFTWARE_INTERRUPT;
        env->exception_next_eip = return_address(env);
        break;
    default:
        /* The consistency checks let no other type through. */
        g_assert_not_reached();
    }
    cpu_loop_exit(cs);
}
