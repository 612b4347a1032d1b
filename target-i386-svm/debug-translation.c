/*
 * Address translation for debuggers: gdb and the monitor read and stop
 * inside a guest, through its own page table and the nested one (2: 5, 15.25).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "tcg/helper-tcg.h"
#include "svm-callouts.h"

/* A page table and the format that its mode gives it. */
typedef struct PageTable {
    uint64_t root;
    int pg_mode;
    /* The table that translates this one's own addresses, or NULL. */
    const struct PageTable *nested;
} PageTable;

static bool translate(CPUX86State *env, const PageTable *table,
                      uint64_t address, hwaddr *result);

static unsigned levels(int pg_mode)
{
    if (pg_mode & PG_MODE_LMA) {
        return pg_mode & PG_MODE_LA57 ? 5 : 4;
    }
    return pg_mode & PG_MODE_PAE ? 3 : 2;
}

/* Bit 7 makes an entry a large page where the format has such pages. */
static bool is_leaf(int pg_mode, unsigned level, uint64_t entry)
{
    if (level == 1) {
        return true;
    }
    if (!(entry & PG_PSE_MASK)) {
        return false;
    }
    if (pg_mode & PG_MODE_LMA) {
        return level <= 3;
    }
    return level == 2 && (pg_mode & (PG_MODE_PAE | PG_MODE_PSE));
}

static bool walk(CPUX86State *env, const PageTable *table, uint64_t address,
                 hwaddr *result)
{
    bool wide = table->pg_mode & (PG_MODE_LMA | PG_MODE_PAE);
    unsigned index_bits = wide ? 9 : 10;
    unsigned level = levels(table->pg_mode);
    /* The table of a legacy-PAE root is 32 bytes, not a page. */
    uint64_t base = table->root & (level == 3 ? ~0x1fULL : PG_ADDRESS_MASK);

    for (;; level--) {
        unsigned shift = 12 + (level - 1) * index_bits;
        uint64_t index = extract64(address, shift, index_bits);
        hwaddr place = base + index * (wide ? 8 : 4);
        uint64_t entry;

        if (!translate(env, table->nested, place, &place)) {
            return false;
        }
        if (level == 3 && !(table->pg_mode & PG_MODE_LMA) &&
            x86_keeps_pdptes(env, table->root)) {
            entry = env->pdptrs[extract64(address, shift, 2)];
        } else {
            entry = wide ? x86_ldq_phys(env_cpu(env), place)
                         : x86_ldl_phys(env_cpu(env), place);
        }
        if (!(entry & PG_PRESENT_MASK)) {
            return false;
        }
        base = entry & PG_ADDRESS_MASK;
        if (is_leaf(table->pg_mode, level, entry)) {
            if (!wide && level == 2) {
                /* PSE-36: bits 20:13 are address bits 39:32. */
                base = (base & ~0x3fffffULL) |
                       extract64(entry, 13, 8) << 32;
            }
            base &= ~MAKE_64BIT_MASK(0, shift);
            *result = base | (address & MAKE_64BIT_MASK(0, shift));
            return true;
        }
    }
}

static bool translate(CPUX86State *env, const PageTable *table,
                      uint64_t address, hwaddr *result)
{
    if (!table) {
        *result = address & x86_get_a20_mask(env);
        return true;
    }
    if ((table->pg_mode & PG_MODE_PG) &&
        !walk(env, table, address, &address)) {
        return false;
    }
    return translate(env, table->nested, address, result);
}

static bool is_canonical(uint64_t address, int pg_mode)
{
    unsigned width = pg_mode & PG_MODE_LA57 ? 57 : 48;

    return sextract64(address, 0, width) == address;
}

/**
 * x86_cpu_get_phys_page_attrs_debug: where a debugger finds @addr
 * @addr: virtual address in the current world
 * @attrs: attributes of the access
 *
 * Returns the address of the page, -1 if nothing is mapped there.  Changes
 * nothing: no accessed bits, no faults.
 */
hwaddr x86_cpu_get_phys_page_attrs_debug(CPUState *cs, vaddr addr,
                                         MemTxAttrs *attrs)
{
    CPUX86State *env = cpu_env(cs);
    PageTable nested = {
        .root = env->nested_cr3,
        .pg_mode = env->nested_pg_mode,
    };
    PageTable table = {
        .root = env->cr[3],
        .pg_mode = get_pg_mode(env),
        .nested = env->hflags2 & HF2_NPT_MASK ? &nested : NULL,
    };
    hwaddr result;

    *attrs = cpu_get_mem_attrs(env);
    if (table.pg_mode & PG_MODE_LMA) {
        if (!is_canonical(addr, table.pg_mode)) {
            return -1;
        }
    } else {
        addr = (uint32_t)addr;
    }
    if (!translate(env, &table, addr, &result)) {
        return -1;
    }
    return result & TARGET_PAGE_MASK;
}
