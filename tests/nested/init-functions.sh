# SPDX-License-Identifier: GPL-2.0-or-later
#
# How the first process of a machine starts, reports and ends; init scripts source
# it.  What to do comes on the kernel's command line as svm.KEY=VALUE and is in
# $svm_KEY; results go to the port that `report_to` opens, a line each.

/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys

read -r command_line </proc/cmdline
for word in $command_line; do
    case $word in
    svm.*=*)
        key=${word%%=*}
        export "svm_${key#svm.}=${word#*=}"
        ;;
    esac
done

report_to() {
    exec 3>"$1"
}

report() {
    echo "$*" >&3
}

finish() {
    report "l1 end=$1"
    exec 3>&-               # waits until the last line is out
    poweroff -f
}

# The modules for a purpose (MODULES of kernel_package.py).
load() {
    while read -r module; do
        case $module in
        kvm_amd.ko) parameters="npt=$svm_npt" ;;
        *) parameters= ;;
        esac
        if ! why=$(insmod "/lib/modules/$module" $parameters 2>&1); then
            report "load-failed module=${module%.ko} why=\"$why\""
            return 1
        fi
    done <"/lib/modules/$1.order"
}
