/* SPDX-License-Identifier: GPL-2.0-or-later */
#define HOST_BITS 64
#include "host.S"
