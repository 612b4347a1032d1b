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

static void assert_ignne(CPUState *cs, run_on_cpu_data data)
{
    cpu_env(cs)->hflags2 |= HF2_IGNNE_MASK;
}

static void deassert_ignne(CPUState *cs, run_on_cpu_data data)
{
    cpu_env(cs)->hflags2 &= ~HF2_IGNNE_MASK;
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
    run_on_cpu_func assign = asserted ? assert_ignne : deassert_ignne;

    if (asserted == !!(qatomic_read(&env->hflags2) & HF2_IGNNE_MASK)) {
        return;
    }
    if (qemu_cpu_is_self(cs)) {
        assign(cs, RUN_ON_CPU_NULL);
    } else {
        async_run_on_cpu(cs, assign, RUN_ON_CPU_NULL);
    }
}
