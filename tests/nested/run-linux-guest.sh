#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What L1 runs for `./svm run --guest linux`: qemu-system-x86_64 with KVM, and Linux
# in it.  With a third level L2 runs it too, for L3: each finds all it needs in the
# host's folder.  Report lines go to standard output; those of the guest come with
# "lN " before them, N being its level, and the lines of its console with "LN: ".
#
# The guest's exits are counted by KVM, and only as long as the guest is there: the
# VMM keeps a guest that has powered off until it is told to quit.

folder=/tmp/host
level=$((svm_level + 1))

relay() {
    prefix=$1
    while IFS= read -r line; do echo "$prefix$line"; done
}

# Events of the VMM's monitor until one of those named; '' when the VMM has ended.
wait_for_event() {
    while :; do
        if read -r -t 1 line <&6; then
            case $line in
            *'"event": "'*)
                event=${line##*\"event\": \"}
                event=${event%%\"*}
                reason=${line##*\"reason\": \"}
                reason=${reason%%\"*}
                for wanted; do [ "$event" = "$wanted" ] && return; done
                ;;
            esac
        elif [ -e vmm.status ]; then
            event=
            return
        fi
    done
}

# Programs and kernels are mapped, and 9p would bring them page by page.
cp -r /mnt/host $folder

cd /tmp
mkfifo console report monitor.in monitor.out
exec 5<>monitor.in 6<>monitor.out
mount -t debugfs debugfs /sys/kernel/debug
histogram=/sys/kernel/debug/tracing/events/kvm/kvm_exit
# Not every kernel can count by key.
echo 'hist:keys=exit_reason' 2>/dev/null >$histogram/trigger

if [ $level -lt $svm_levels ]; then
    initramfs=$folder/host.cpio
    parameters="svm.mode=program svm.program=run-linux-guest.sh svm.level=$level"
    parameters="$parameters svm.levels=$svm_levels svm.npt=$svm_npt"
    parameters="$parameters svm.seed=$svm_seed svm.memory=$svm_memory"
    parameters="$parameters svm.machine=$svm_machine svm.vcpus=$svm_vcpus"
    parameters="$parameters svm.kernel_log=$svm_kernel_log $svm_kernel_log"
    memory=$((2 * svm_memory))
    machine=q35
else
    initramfs=$folder/guest.cpio
    parameters="svm.seed=$svm_seed $svm_kernel_log"
    memory=$svm_memory
    machine=$svm_machine
fi
case $machine in
microvm) transport=device ;;
*) transport=pci ;;
esac
parameters="console=ttyS0 panic=-1 oops=panic tsc=reliable no_timer_check $parameters"

relay "L$level: " <console >/dev/ttyS0 &
relay "l$level " <report &
reports=$!

(
    $folder/vmm/lib/ld-linux-x86-64.so.2 --library-path $folder/vmm/lib \
        $folder/vmm/qemu-system-x86_64 -L $folder/firmware \
        -nodefaults -no-user-config -display none -no-reboot -no-shutdown \
        -machine $machine,accel=kvm -cpu host -smp $svm_vcpus -m $memory \
        -kernel $folder/kernel -initrd $initramfs -append "$parameters" \
        -fsdev local,id=share,path=$folder,security_model=none,readonly=on \
        -device virtio-9p-$transport,fsdev=share,mount_tag=host \
        -chardev file,id=console,path=/tmp/console -serial chardev:console \
        -chardev file,id=report,path=/tmp/report -device isa-serial,chardev=report \
        -chardev pipe,id=monitor,path=/tmp/monitor -mon chardev=monitor,mode=control \
        3>&- 5>&- 6>&- >vmm.output 2>&1 </dev/null
    echo $? >vmm.status
) &
vmm=$!
echo "vmm level=$level start=$(cut -d ' ' -f 1 /proc/uptime)"
echo '{"execute": "qmp_capabilities"}' >&5
wait_for_event SHUTDOWN GUEST_PANICKED
if [ "$event" ]; then
    for file in /sys/kernel/debug/kvm/*exits; do
        echo "kvm-stat level=$level ${file##*/}=$(cat "$file")"
    done
    form='^{ exit_reason: *\([0-9]*\) } hitcount: *\([0-9]*\).*'
    sed -n "s/$form/exit-code level=$level code=\1 count=\2/p" \
        $histogram/hist 2>/dev/null
    echo '{"execute": "quit"}' >&5
fi
wait $vmm
read -r status <vmm.status
# A VMM that ended at once has never opened them, and their readers still wait.
: <>console
: <>report
wait $reports
while read -r line; do
    echo "vmm-output level=$level ${line#*qemu-system-x86_64: }"
done <vmm.output
echo "vmm level=$level end=${event:-none} reason=${reason:-none} status=$status"
