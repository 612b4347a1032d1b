/*
 * The time-stamp counter: what RDTSC, RDTSCP and RDMSR of the TSC find, and
 * what a write of the MSR does.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "svm-callouts.h"
#include "model-specific-registers.h"

/* The counter itself; tsc_adjust is what writes have added to QEMU's clock. */
static uint64_t host_tsc(CPUX86State *env)
{
    return cpu_get_tsc(env) + env->tsc_adjust;
}

/**
 * x86_read_tsc: the time-stamp counter as the processor's software sees it
 *
 * In a guest with the VMCB's TSC_OFFSET.
 */
uint64_t x86_read_tsc(CPUX86State *env)
{
    uint64_t tsc = host_tsc(env);

    /* A guest that waits for RSM lends its offset to nobody (2: 15.22). */
    return env->hflags & HF_GUEST_MASK ? tsc + env->tsc_offset : tsc;
}

/*
 * A write goes to the counter itself, from a guest as well: TSC_OFFSET is
 * added to what is read, not taken from what is written (2: 15.30.5).
 */
bool x86_write_tsc(CPUX86State *env, uint64_t value)
{
    env->tsc_adjust += value - host_tsc(env);
    return true;
}
