/*
 * Reserved bits of the upper page-table entries (2: 5.3.3, 5.3.4).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"
#include "world-switch.h"

/*
 * Legacy PAE's, below the address: R/W, U/S, PS, G and the bit before.  Bit 5
 * is reserved as well, but unmodified QEMU sets it in each one that it uses,
 * and memory can come from there.
 */
#define PDPTE_RESERVED          (MAKE_64BIT_MASK(1, 2) | MAKE_64BIT_MASK(6, 3))

/**
 * x86_pml4e_reserved_bits: besides those above the physical address
 *
 * AMD's processors reserve bit 8, other ones ignore it.  In a PDPE it is
 * ignored: KVM's reading.
 */
uint64_t x86_pml4e_reserved_bits(const CPUX86State *env)
{
    return PG_PSE_MASK | (IS_AMD_CPU(env) ? PG_GLOBAL_MASK : 0);
}

/**
 * x86_pdpte_reserved_bits: of the four entries that CR3 points to in PAE mode
 */
uint64_t x86_pdpte_reserved_bits(CPUX86State *env)
{
    return PDPTE_RESERVED | ~MAKE_64BIT_MASK(0, env_archcpu(env)->phys_bits);
}

/*
 * A processor loads and checks them where paging changes; QEMU reads them
 * again at each miss.  With nested paging silicon does that, too
 * (2: 15.25.10), and checks nothing before.
 */
bool x86_has_illegal_pdpte(CPUX86State *env, uint64_t cr0, uint64_t cr3,
                           uint64_t cr4, uint64_t efer, uint64_t *pdpte)
{
    uint64_t reserved = x86_pdpte_reserved_bits(env);
    int i;

    if (!(cr0 & CR0_PG_MASK) || !(cr4 & CR4_PAE_MASK) ||
        (efer & MSR_EFER_LME)) {
        return false;
    }
    for (i = 0; i < 4; i++) {
        *pdpte = x86_ldq_phys(env_cpu(env), (uint32_t)(cr3 & ~0x1fULL) + 8 * i);
        if ((*pdpte & PG_PRESENT_MASK) && (*pdpte & reserved)) {
            return true;
        }
    }
    return false;
}
