/*
 * IGNNE#, the pin that makes a processor ignore x87 errors.
 *
 * QEMU keeps it in hflags2, next to flags of the world switch that only the
 * processor's own thread may change.  Any processor's FPU instructions and
 * port writes reach it, though: a write from there puts old values of the
 * neighbouring flags back.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qemu/atomic.h"
#include "cpu.h"
#include "ignne.h"

/* Whichever change comes last, this makes the flag what was last asked for. */
static void copy_level(CPUState *cs, run_on_cpu_data data)
{
    CPUX86State *env = cpu_env(cs);

    if (qatomic_read(&env->svm.ignne_level)) {
        env->hflags2 |= HF2_IGNNE_MASK;
    } else {
        env->hflags2 &= ~HF2_IGNNE_MASK;
    }
}

/**
 * x86_cpu_settle_ignne: do now what was left to @env's processor
 *
 * For a machine that has stopped and is saved: what is left to do is not.
 */
void x86_cpu_settle_ignne(CPUX86State *env)
{
    copy_level(env_cpu(env), RUN_ON_CPU_NULL);
}

/**
 * x86_cpu_assign_ignne: drive the pin of @env's processor from any thread
 *
 * On another thread than the processor's own the change is left to that
 * thread; the pin is asynchronous to a processor's instructions anyway.
 */
void x86_cpu_assign_ignne(CPUX86State *env, bool asserted)
{
    CPUState *cs = env_cpu(env);
    bool flag = qatomic_read(&env->hflags2) & HF2_IGNNE_MASK;

    /* The flag alone does not tell: a change of it may be on its way. */
    if (qatomic_read(&env->svm.ignne_level) == asserted && flag == asserted) {
        return;
    }
    qatomic_set(&env->svm.ignne_level, asserted);
    if (qemu_cpu_is_self(cs)) {
        copy_level(cs, RUN_ON_CPU_NULL);
    } else {
        async_run_on_cpu(cs, copy_level, RUN_ON_CPU_NULL);
    }
}
