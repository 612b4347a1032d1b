/*
 * Access to the pages that SVM keeps in memory: VMCB, host save area.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#ifndef TARGET_I386_SVM_VMCB_PAGE_H
#define TARGET_I386_SVM_VMCB_PAGE_H

#include "qemu/atomic.h"
#include "qemu/bswap.h"
#include "vmcb.h"

/* A page while one helper works on it; never kept longer. */
typedef struct VMCBPage {
    CPUX86State *env;
    /* As the instruction named it, and in the system's address space. */
    uint64_t address;
    hwaddr system_address;
    int mmu_idx;
    MMUAccessType access;
    /* Where the page is in the emulator, NULL for all that is not RAM. */
    uint8_t *host;
} VMCBPage;

/**
 * vmcb_page_open: reach a 4 KiB page for loads or for stores
 * @address: 4 KiB aligned
 * @access: MMU_DATA_LOAD or MMU_DATA_STORE
 * @mmu_idx: MMU_PHYS_IDX: @address is system-physical; MMU_NESTED_IDX: it is
 *   guest-physical, and a page that the nested table does not map is
 *   #VMEXIT(NPF): the call does not return then
 * @retaddr: return address into generated code, 0 outside of it
 *
 * Any page can be opened: RAM is reached through a host pointer, everything
 * else (ROM, devices, nothing) field by field through the address space.
 */
VMCBPage vmcb_page_open(CPUX86State *env, uint64_t address,
                        MMUAccessType access, int mmu_idx, uintptr_t retaddr);

/**
 * vmcb_page_close: end the access; to be called after the last store
 */
void vmcb_page_close(VMCBPage *page);

uint64_t vmcb_page_load_slow(const VMCBPage *page, unsigned offset,
                             unsigned bits);
void vmcb_page_store_slow(const VMCBPage *page, unsigned offset,
                          unsigned bits, uint64_t value);

/**
 * vmcb_page_load: read one field, once
 * @offset: from the start of the page
 * @bits: 8, 16, 32 or 64
 *
 * The access to RAM is a single one, which the compiler can neither repeat
 * nor split: other processors may write the field at any time.  The only
 * field that is not naturally aligned is read, and written, as two halves.
 */
static inline uint64_t vmcb_page_load(const VMCBPage *page, unsigned offset,
                                      unsigned bits)
{
    const uint8_t *field = page->host + offset;

    if (unlikely(!page->host)) {
        return vmcb_page_load_slow(page, offset, bits);
    }
    switch (bits) {
    case 8:
        return qatomic_read(field);
    case 16:
        return le16_to_cpu(qatomic_read((const uint16_t *)field));
    case 32:
        return le32_to_cpu(qatomic_read((const uint32_t *)field));
    default:
        if (offset % 8) {
            return vmcb_page_load(page, offset, 32) |
                   vmcb_page_load(page, offset + 4, 32) << 32;
        }
        return le64_to_cpu(qatomic_read__nocheck((const uint64_t *)field));
    }
}

/**
 * vmcb_page_store: write one field; see vmcb_page_load()
 */
static inline void vmcb_page_store(const VMCBPage *page, unsigned offset,
                                   unsigned bits, uint64_t value)
{
    uint8_t *field = page->host + offset;

    if (unlikely(!page->host)) {
        vmcb_page_store_slow(page, offset, bits, value);
        return;
    }
    switch (bits) {
    case 8:
        qatomic_set(field, (uint8_t)value);
        break;
    case 16:
        qatomic_set((uint16_t *)field, cpu_to_le16(value));
        break;
    case 32:
        qatomic_set((uint32_t *)field, cpu_to_le32(value));
        break;
    default:
        if (offset % 8) {
            vmcb_page_store(page, offset, 32, value);
            vmcb_page_store(page, offset + 4, 32, value >> 32);
            return;
        }
        qatomic_set__nocheck((uint64_t *)field, cpu_to_le64(value));
    }
}

#endif
