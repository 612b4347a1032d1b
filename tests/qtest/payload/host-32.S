/* SPDX-License-Identifier: GPL-2.0-or-later */
#define HOST_BITS 32
#include "host.S"
