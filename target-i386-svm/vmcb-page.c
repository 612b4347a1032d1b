/*
 * Access to the pages that SVM keeps in memory: VMCB, host save area.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "cpu.h"
#include "system/dma.h"
#include "tcg/helper-tcg.h"
#include "vmcb-page.h"

static void probe(VMCBPage *page, CPUTLBEntryFull **full, uintptr_t retaddr)
{
    if (page->mmu_idx == MMU_PHYS_IDX) {
        probe_access_full_mmu(page->env, page->address, VMCB_SIZE,
                              page->access, page->mmu_idx,
                              (void **)&page->host, full);
    } else {
        probe_access_full(page->env, page->address, VMCB_SIZE, page->access,
                          page->mmu_idx, false, (void **)&page->host, full,
                          retaddr);
    }
}

VMCBPage vmcb_page_open(CPUX86State *env, uint64_t address,
                        MMUAccessType access, int mmu_idx, uintptr_t retaddr)
{
    VMCBPage page = {
        .env = env,
        .address = address,
        .mmu_idx = mmu_idx,
        .access = access,
    };
    CPUTLBEntryFull *full;

    probe(&page, &full, retaddr);
    page.system_address = full->phys_addr & TARGET_PAGE_MASK;
    return page;
}

void vmcb_page_close(VMCBPage *page)
{
    CPUTLBEntryFull *full;

    /*
     * The first look marked the page dirty before it was written.  If the
     * dirty log was read and reset meanwhile, it has to hear of the writes
     * again; a second look does that, and costs a TLB hit.
     */
    if (page->host && page->access == MMU_DATA_STORE) {
        probe_access_full_mmu(page->env, page->address, VMCB_SIZE,
                              page->access, page->mmu_idx,
                              (void **)&page->host, &full);
    }
    page->host = NULL;
}

uint64_t vmcb_page_load_slow(const VMCBPage *page, unsigned offset,
                             unsigned bits)
{
    MemTxAttrs attrs = cpu_get_mem_attrs(page->env);
    AddressSpace *as = cpu_addressspace(env_cpu(page->env), attrs);
    uint8_t bytes[8] = { };

    /* Where nothing answers, the bus reads as ones. */
    if (address_space_read(as, page->system_address + offset, attrs, bytes,
                           bits / 8) != MEMTX_OK) {
        return MAKE_64BIT_MASK(0, bits);
    }
    return ldq_le_p(bytes);
}

void vmcb_page_store_slow(const VMCBPage *page, unsigned offset,
                          unsigned bits, uint64_t value)
{
    MemTxAttrs attrs = cpu_get_mem_attrs(page->env);
    AddressSpace *as = cpu_addressspace(env_cpu(page->env), attrs);
    uint8_t bytes[8];

    stq_le_p(bytes, value);
    /* What nothing answers to is lost, as on a bus. */
    address_space_write(as, page->system_address + offset, attrs, bytes,
                        bits / 8);
}
