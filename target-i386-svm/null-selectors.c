/*
 * Loads of null selectors (2: 4.5.1), which decide what VMSAVE finds in the
 * hidden parts of FS and GS.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "svm-callouts.h"

/*
 * CPUID 8000_0021 EAX[6] says that base and limit are cleared.  Linux knows
 * that Zen 2 clears them without saying so, and finds out by trying on what
 * is older (X86_BUG_NULL_SEG): those processors keep them.
 */
static bool null_selector_clears_base(const CPUX86State *env)
{
    unsigned family = extract32(env->cpuid_version, 8, 4) +
                      extract32(env->cpuid_version, 20, 8);
    unsigned model = extract32(env->cpuid_version, 4, 4) +
                     extract32(env->cpuid_version, 16, 4) * 16;

    return !IS_AMD_CPU(env) || family > 0x17 ||
           (family == 0x17 && model >= 0x30) ||
           (env->features[FEAT_8000_0021_EAX] &
            CPUID_8000_0021_EAX_NULL_SEL_CLR_BASE);
}

/**
 * x86_load_null_selector: MOV, POP or LxS of a null selector
 * @segment: ES, SS, DS, FS or GS
 */
void x86_load_null_selector(CPUX86State *env, X86Seg segment,
                            unsigned selector)
{
    SegmentCache null = { };

    if (!null_selector_clears_base(env)) {
        null = env->segs[segment];
    }
    cpu_x86_load_seg_cache(env, segment, selector, null.base, null.limit, 0);
}
