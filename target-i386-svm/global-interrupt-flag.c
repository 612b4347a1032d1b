/*
 * The global interrupt flag: STGI, CLGI (2: 15.17) and virtual GIF
 * (2: 15.33.2); requests for virtual interrupts (2: 15.21.4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "qemu/main-loop.h"
#include "cpu.h"
#include "exec/helper-proto.h"
#include "tcg/helper-tcg.h"
#include "world-switch.h"
#include "svm-callouts.h"

/**
 * helper_stgi: the STGI instruction
 */
void helper_stgi(CPUX86State *env)
{
    cpu_svm_check_intercept_param(env, SVM_EXIT_STGI, 0, GETPC());
    svm_count(env, SVM_COUNT(stgi));
    svm_count_run_ended(env);

    if (svm_virtual_gif_enabled(env)) {
        env->int_ctl |= V_GIF_MASK;
        env->hflags2 |= HF2_VGIF_MASK;
    } else {
        env->hflags2 |= HF2_GIF_MASK;
    }
}

/**
 * helper_clgi: the CLGI instruction
 */
void helper_clgi(CPUX86State *env)
{
    cpu_svm_check_intercept_param(env, SVM_EXIT_CLGI, 0, GETPC());
    svm_count(env, SVM_COUNT(clgi));

    if (svm_virtual_gif_enabled(env)) {
        env->int_ctl &= ~V_GIF_MASK;
        env->hflags2 &= ~HF2_VGIF_MASK;
    } else {
        env->hflags2 &= ~HF2_GIF_MASK;
    }
}

/**
 * x86_debug_check_watchpoint: while GIF is 0 a match with a debug register is
 * ignored and discarded (2: 15.17)
 */
bool x86_debug_check_watchpoint(CPUState *cs, CPUWatchpoint *watchpoint)
{
    return cpu_env(cs)->hflags2 & HF2_GIF_MASK;
}

/**
 * svm_take_virtual_interrupt: the virtual interrupt starts its way into the
 * guest; returns its vector
 *
 * V_IRQ is cleared before the IDT is accessed (2: 15.21.4): if a #VMEXIT
 * comes before the handler, EXITINTINFO reports the interrupt, and it alone.
 */
uint8_t svm_take_virtual_interrupt(CPUX86State *env)
{
    env->int_ctl &= ~V_IRQ_MASK;
    svm_set_virtual_interrupt_pending(env, false);
    return env->svm.controls.int_vector;
}

void svm_set_interrupt_request(CPUX86State *env, int request, bool pending)
{
    CPUState *cs = env_cpu(env);
    bool need_lock;

    if (pending == !!(cs->interrupt_request & request)) {
        return;
    }
    /*
     * The word holds requests of other threads too: it is only written
     * under the lock, or one of those gets lost.  No cpu_interrupt(): all
     * callers end the translation block, and under -icount a helper may not
     * kick its own processor.
     */
    need_lock = !bql_locked();
    if (need_lock) {
        bql_lock();
    }
    if (pending) {
        qatomic_or(&cs->interrupt_request, request);
    } else {
        cpu_reset_interrupt(cs, request);
    }
    if (need_lock) {
        bql_unlock();
    }
}

void svm_set_virtual_interrupt_pending(CPUX86State *env, bool pending)
{
    svm_set_interrupt_request(env, CPU_INTERRUPT_VIRQ, pending);
}
