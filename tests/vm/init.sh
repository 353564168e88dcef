#!/bin/busybox sh
# init: the guest's first program. Loads modules, goes into the host's tree, runs what /out/command says,
# leaves the status and the kernel's log in /out, ends the guest.
export PATH=/bin
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sysfs /sys
$b mount -t devtmpfs dev /dev
while read -r module; do $b insmod "/modules/$module" || echo "init: no module $module"; done </modules/order
share() { $b mount -t 9p -o "trans=virtio,version=9p2000.L,msize=512000,$2" "$1" "$3"; }
share root ro,cache=loose /root
share out rw /out

# The tree may lie in a folder that becomes empty below: it is put back from here.
$b mount --bind /root /lower
for mounted in tmp run; do $b mount -t tmpfs -o mode=1777 tmpfs /root/$mounted; done
$b chmod 755 /root/run
$b mount -t proc proc /root/proc
$b mount -t sysfs sysfs /root/sys
$b mount -t devtmpfs dev /root/dev
$b mkdir -p /root/dev/shm /root/dev/pts /root/run/vm
$b mount -t tmpfs -o mode=1777 tmpfs /root/dev/shm
$b mount -t devpts devpts /root/dev/pts
$b mount --bind /out /root/run/vm
while read -r folder; do $b mkdir -p "/root$folder" && $b mount --bind "/lower$folder" "/root$folder"; done </out/kept
$b ip link set lo up
$b chroot /root /bin/sh /run/vm/command </dev/null >/out/output 2>&1
status=$?
$b dmesg >/out/kernel.log
echo $status >/out/status
$b sync
$b poweroff -f
