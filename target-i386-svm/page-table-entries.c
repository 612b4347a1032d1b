/*
 * The upper page-table entries: reserved bits, and those of legacy PAE paging
 * that the processor keeps (2: 5.3.3, 5.3.4).
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

static uint32_t pdptes_address(uint64_t cr3)
{
    return cr3 & ~0x1fULL;
}

void x86_read_pdptes(CPUX86State *env, uint64_t cr0, uint64_t cr3,
                     uint64_t cr4, uint64_t efer, X86PDPTEs *pdptes)
{
    int i;

    *pdptes = (X86PDPTEs) {
        .are_kept = (cr0 & CR0_PG_MASK) && (cr4 & CR4_PAE_MASK) &&
                    !(efer & MSR_EFER_LME)
    };
    if (!pdptes->are_kept) {
        return;
    }
    pdptes->address = pdptes_address(cr3);
    for (i = 0; i < ARRAY_SIZE(pdptes->entries); i++) {
        hwaddr place = (pdptes->address + 8 * i) & x86_get_a20_mask(env);

        pdptes->entries[i] = x86_ldq_phys(env_cpu(env), place);
    }
}

bool x86_has_illegal_pdpte(CPUX86State *env, const X86PDPTEs *pdptes,
                           uint64_t *pdpte)
{
    uint64_t reserved = x86_pdpte_reserved_bits(env);
    int i;

    for (i = 0; pdptes->are_kept && i < ARRAY_SIZE(pdptes->entries); i++) {
        *pdpte = pdptes->entries[i];
        if ((*pdpte & PG_PRESENT_MASK) && (*pdpte & reserved)) {
            return true;
        }
    }
    return false;
}

void x86_keep_pdptes(CPUX86State *env, const X86PDPTEs *pdptes)
{
    env->pdptrs_valid = pdptes->are_kept;
    env->svm.pdptes_address = pdptes->address;
    memcpy(env->pdptrs, pdptes->entries, sizeof(env->pdptrs));
}

void x86_find_pdptes(CPUX86State *env)
{
    env->svm.pdptes_address = pdptes_address(env->cr[3]);
}

/**
 * x86_reload_pdptes: read them again, where CR3 is loaded and none is judged
 */
void x86_reload_pdptes(CPUX86State *env)
{
    X86PDPTEs pdptes = { };

    if (!svm_nested_paging(env)) {
        x86_read_pdptes(env, env->cr[0], env->cr[3], env->cr[4], env->efer,
                        &pdptes);
    }
    x86_keep_pdptes(env, &pdptes);
}

/**
 * x86_keeps_pdptes: are those that @cr3 points to in CPUX86State.pdptrs?
 *
 * If not they are read at each miss: with nested paging, in a machine that
 * unmodified QEMU saved, and where a debugger changed CR3.
 */
bool x86_keeps_pdptes(const CPUX86State *env, uint64_t cr3)
{
    return env->pdptrs_valid &&
           env->svm.pdptes_address == pdptes_address(cr3);
}
