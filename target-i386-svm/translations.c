/*
 * Which translations survive a world switch (2: 15.16).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "exec/cputlb.h"
#include "exec/helper-proto.h"
#include "world-switch.h"

/* System-physical addresses mean the same to host and guest. */
#define PHYSICAL_INDEX  (1 << MMU_PHYS_IDX)
#define ALL_INDEXES     ((1 << NB_MMU_MODES) - 1)

/*
 * Entries carry no ASID: host and guest share them, so all that came from a
 * page table goes, whatever TLB_CONTROL asks for.  It never asks for less.
 */
void svm_flush_translations(CPUX86State *env, SVMCountedEvent cause)
{
    svm_count(env, cause);
    tlb_flush_by_mmuidx(env_cpu(env), ALL_INDEXES & ~PHYSICAL_INDEX);
}

/**
 * helper_invlpga: the INVLPGA instruction (3: INVLPGA)
 * @address: linear address
 *
 * The translator has checked the intercept.
 */
void helper_invlpga(CPUX86State *env, target_ulong address)
{
    svm_count(env, SVM_COUNT(invlpga));
    svm_count(env, SVM_COUNT(flush_invlpga));
    tlb_flush_page(env_cpu(env), address);
}
