#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The first process of a guest of Xen's: says on its console, which dom0 keeps, what
# it is, and ends.

. /lib/init-functions.sh
report_to /dev/console

read -r type </sys/hypervisor/guest_type
report "guest kernel=$(uname -r) type=$type cpus=$(nproc)" \
    "uuid=$(cat /sys/hypervisor/uuid)"
finish done
